-- Executions and evaluations in partitions by the month in their ids; the tables of before become the default partitions.

-- An id of version 7 begins with its time, so a month is a range of ids. Random ids lie outside of all months: they stay
-- where they are, in the default partition, and no row moves here.
CREATE FUNCTION public.lowest_id(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The partitions of a table: the first day of a month, and from which id on it holds rows up to, but without, which; all
-- null for the default partition.
CREATE FUNCTION public.table_partitions(of_table regclass, OUT partition regclass, OUT month date,
                                        OUT lowest uuid, OUT beyond uuid)
RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.oid, to_timestamp(('x' || left(replace(b.low, '-', ''), 12))::bit(48)::bigint / 1000.0)::timestamptz
                      AT TIME ZONE 'UTC',
           b.low::uuid, b.high::uuid
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (
        SELECT bounds[1] AS low, bounds[2] AS high
        FROM (VALUES (1)) AS always
        LEFT JOIN regexp_matches(pg_get_expr(c.relpartbound, c.oid), $q$FROM \('(.*)'\) TO \('(.*)'\)$q$) bounds ON true
    ) b
    WHERE i.inhparent = of_table
    ORDER BY b.low
$$;

-- A table that was a partition once is no part of the table any more: nobody may write to it by mistake.
CREATE FUNCTION public.refuse_detached() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (SELECT relispartition FROM pg_class WHERE oid = TG_RELID) THEN
        RAISE EXCEPTION '% is a partition no more', TG_RELID::regclass USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NULL;
END $$;

-- Months are made in two transactions. The first one keeps new rows of these months out of the default partition: who
-- brings one is refused by the constraint …_month_being_made, and tries again. It waits for the table only shortly.
CREATE FUNCTION public.begin_partitions(of_table regclass, first_month date, last_month date) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    default_partition regclass := (SELECT partition FROM public.table_partitions(of_table) WHERE month IS NULL);
    key name := (SELECT attname FROM pg_attribute JOIN pg_partitioned_table ON partrelid = attrelid
                 WHERE attrelid = of_table AND attnum = partattrs[0]);
    rule name := (SELECT relname || '_month_being_made' FROM pg_class WHERE oid = of_table);
BEGIN
    PERFORM pg_advisory_xact_lock(7020100946810391);
    EXECUTE format('ALTER TABLE %1$s DROP CONSTRAINT IF EXISTS %2$I, '
                   'ADD CONSTRAINT %2$I CHECK (%3$I < %4$L OR %3$I >= %5$L) NOT VALID',
        default_partition, rule, key, public.lowest_id(first_month::timestamp AT TIME ZONE 'UTC'),
        public.lowest_id((last_month + interval '1 month') AT TIME ZONE 'UTC'));
END $$;

-- The second one makes the partitions of those months that are missing, moves their rows out of the default partition,
-- and attaches them: all of it is seen at once. The default partition is read while others write to it; it is locked at
-- the end, for as long as attaching takes. Returns how many rows moved, or null where the first transaction's rule is gone.
CREATE FUNCTION public.finish_partitions(of_table regclass, first_month date, last_month date) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    default_partition regclass := (SELECT partition FROM public.table_partitions(of_table) WHERE month IS NULL);
    key name := (SELECT attname FROM pg_attribute JOIN pg_partitioned_table ON partrelid = attrelid
                 WHERE attrelid = of_table AND attnum = partattrs[0]);
    rule name := (SELECT relname || '_month_being_made' FROM pg_class WHERE oid = of_table);
    columns text := (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
                     WHERE attrelid = of_table AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
    attempts CONSTANT integer := 60;
    made date[];
    each date;
    leaf text;
    lowest uuid;
    beyond uuid;
    late boolean;
    keys text[];
    dropping text[];
    moved_now bigint;
    moved bigint := 0;
    command text;
BEGIN
    PERFORM pg_advisory_xact_lock(7020100946810391);
    SELECT array_agg(m::date ORDER BY m) INTO made
    FROM generate_series(first_month::timestamp, last_month, interval '1 month') m
    WHERE NOT EXISTS (SELECT FROM public.table_partitions(of_table) p WHERE p.month = m::date);
    -- Somebody else has made them since the first transaction.
    IF made IS NULL OR NOT EXISTS (
        SELECT FROM pg_constraint WHERE conrelid = default_partition AND conname = rule)
    THEN
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', default_partition, rule);
        RETURN NULL;
    END IF;
    FOREACH each IN ARRAY made LOOP
        leaf := public.partition_name(of_table, each);
        EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', leaf, of_table);
        lowest := public.lowest_id(each::timestamp AT TIME ZONE 'UTC');
        beyond := public.lowest_id((each + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I >= $1 AND %2$I < $2)', default_partition, key)
        INTO late USING lowest, beyond;
        IF late THEN
            -- Other programs' foreign keys would delete what refers to these rows, or refuse.
            IF keys IS NULL THEN
                SELECT coalesce(array_agg(format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
                                                 pg_get_constraintdef(oid))), '{}'),
                       coalesce(array_agg(format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)), '{}')
                INTO keys, dropping
                FROM pg_constraint WHERE confrelid = of_table AND contype = 'f' AND conparentid = 0;
                FOREACH command IN ARRAY dropping LOOP
                    EXECUTE command;
                END LOOP;
            END IF;
            EXECUTE format('WITH moved AS (DELETE FROM %s WHERE %I >= $1 AND %2$I < $2 RETURNING %s) '
                           'INSERT INTO %s (%3$s) SELECT %3$s FROM moved', default_partition, key, columns, leaf)
            USING lowest, beyond;
            GET DIAGNOSTICS moved_now = ROW_COUNT;
            moved := moved + moved_now;
        END IF;
        FOR command IN SELECT public.partition_setup(of_table, default_partition, leaf) LOOP
            EXECUTE command;
        END LOOP;
    END LOOP;
    EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', default_partition, rule);
    -- Tried again here, so that the rows need not be read again; meanwhile whoever waited behind us writes.
    FOR attempt IN 1..attempts LOOP
        BEGIN
            EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', of_table);
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', default_partition);
            FOR command IN
                SELECT format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', confrelid::regclass)
                FROM pg_constraint WHERE conrelid = of_table AND contype = 'f'
            LOOP
                EXECUTE command;
            END LOOP;
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF attempt = attempts THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
    FOREACH each IN ARRAY made LOOP
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', of_table,
            public.partition_name(of_table, each), public.lowest_id(each::timestamp AT TIME ZONE 'UTC'),
            public.lowest_id((each + interval '1 month') AT TIME ZONE 'UTC'));
    END LOOP;
    FOREACH command IN ARRAY coalesce(keys, '{}') LOOP
        EXECUTE command;
    END LOOP;
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', default_partition, rule);
    RETURN moved;
END $$;

CREATE FUNCTION public.partition_name(of_table regclass, month date) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('%I.%I', nspname, relname || to_char(month, '_YYYY_MM'))
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE c.oid = of_table
$$;

-- What a new partition needs beside its columns, rules and indexes: owner, storage, who may insert, statement triggers.
-- These fire for the table that a statement names, so they are on the table and on each partition; row triggers of other
-- programs come with ATTACH.
CREATE FUNCTION public.partition_setup(of_table regclass, alike regclass, leaf text) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('ALTER TABLE %s OWNER TO %s', leaf, relowner::regrole) FROM pg_class
    WHERE oid = of_table AND relowner <> (SELECT c.relowner FROM pg_class c WHERE c.oid = leaf::regclass)
    UNION ALL
    SELECT format('ALTER TABLE %s SET (%s)', leaf, array_to_string(reloptions, ', ')) FROM pg_class
    WHERE oid = alike AND reloptions IS NOT NULL
    UNION ALL
    SELECT format('ALTER TABLE %s SET (%s)', leaf,
                  (SELECT string_agg('toast.' || option, ', ') FROM unnest(t.reloptions) option))
    FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid
    WHERE c.oid = alike AND t.reloptions IS NOT NULL
    UNION ALL
    SELECT format('ALTER TABLE %s REPLICA IDENTITY FULL', leaf) FROM pg_class WHERE oid = alike AND relreplident = 'f'
    UNION ALL
    -- What default privileges gave.
    SELECT format('REVOKE ALL ON %s FROM %s', leaf, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
    FROM pg_class CROSS JOIN LATERAL aclexplode(relacl) WHERE oid = leaf::regclass AND grantee <> relowner
    UNION ALL
    SELECT format('GRANT INSERT ON %s TO %s', leaf, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
    FROM pg_class CROSS JOIN LATERAL aclexplode(relacl)
    WHERE oid = of_table AND grantee <> relowner AND privilege_type = 'INSERT'
    UNION ALL
    SELECT replace(pg_get_triggerdef(oid), format(' ON %s ', of_table), format(' ON %s ', leaf))
    FROM pg_trigger WHERE tgrelid = of_table AND NOT tgisinternal AND tgtype & 1 = 0
    UNION ALL
    SELECT format('ALTER TABLE %s %s TRIGGER %I', leaf,
                  CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, tgname)
    FROM pg_trigger WHERE tgrelid = of_table AND NOT tgisinternal AND tgtype & 1 = 0 AND tgenabled <> 'O'
    UNION ALL
    SELECT format('CREATE TRIGGER trigger_refuse_detached BEFORE INSERT ON %s '
                  'FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_detached()', leaf)
$$;

REVOKE EXECUTE ON FUNCTION public.refuse_detached, public.begin_partitions, public.finish_partitions,
    public.partition_setup FROM PUBLIC;

-- Compiling these queries would take seconds, under the lock.
SET LOCAL jit = off;

-- Whoever uses the tables now waits until this is committed: a moment, however many rows there are. Behind somebody who
-- reads for long this waits half a second at a time, and lets those write who waited behind it.
DO $$
DECLARE
    attempts CONSTANT integer := 100;
    patience text := current_setting('lock_timeout');
BEGIN
    FOR attempt IN 1..attempts LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '500ms', true);
            LOCK TABLE prompt_executions, guardrail_evaluations IN ACCESS EXCLUSIVE MODE;
            LOCK TABLE prompt_templates IN SHARE ROW EXCLUSIVE MODE;
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF attempt = attempts THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', patience, true);
END $$;

-- Views, other programs' triggers, publications and foreign keys follow a table, not its name: they would go on with the
-- default partition alone. What this migration cannot make again stops it before it changes anything.
CREATE TEMPORARY TABLE partitioned ON COMMIT DROP AS
SELECT oid, reltype, relname, relowner, format('%I', relname || '_default') AS default_partition, key
FROM (VALUES ('prompt_executions', 'id'), ('guardrail_evaluations', 'event_id')) AS tables (name, key)
JOIN pg_class ON oid = format('public.%I', name)::regclass;

CREATE TEMPORARY TABLE saved_views ON COMMIT DROP AS
WITH RECURSIVE using_view AS (
    SELECT r.ev_class AS oid, 0 AS depth
    FROM partitioned p
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = p.oid
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> p.oid
    UNION
    SELECT r.ev_class, u.depth + 1
    FROM using_view u
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = u.oid
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> u.oid
)
SELECT c.oid::regclass::text AS name, max(u.depth) AS depth, c.relkind, pg_get_viewdef(c.oid) AS definition,
       array_remove(
           (SELECT array_agg(format('REVOKE ALL ON %s FROM %s', c.oid::regclass,
                                    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END))
            FROM pg_default_acl CROSS JOIN LATERAL aclexplode(defaclacl)
            WHERE defaclobjtype = 'r' AND defaclnamespace IN (0, c.relnamespace) AND grantee <> c.relowner
                AND defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user))
           || (SELECT array_agg(format('GRANT %s ON %s TO %s%s', privilege_type, c.oid::regclass,
                                    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                                    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))
            FROM aclexplode(c.relacl) WHERE grantee <> c.relowner)
           || (SELECT array_agg(format('GRANT %s (%I) ON %s TO %s', privilege_type, attname, c.oid::regclass,
                                       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END))
               FROM pg_attribute CROSS JOIN LATERAL aclexplode(attacl) WHERE attrelid = c.oid)
           || (SELECT array_agg(format('COMMENT ON %s IS %L', CASE objsubid
                                       WHEN 0 THEN format('VIEW %s', c.oid::regclass)
                                       ELSE format('COLUMN %s.%I', c.oid::regclass, attname) END, description))
               FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND objsubid > 0
               WHERE classoid = 'pg_class'::regclass AND objoid = c.oid)
           || CASE WHEN c.reloptions IS NOT NULL THEN
                  format('ALTER VIEW %s SET (%s)', c.oid::regclass, array_to_string(c.reloptions, ', ')) END
           || CASE WHEN c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user) THEN
                  format('ALTER VIEW %s OWNER TO %s', c.oid::regclass, c.relowner::regrole) END,
           NULL) AS afterwards,
       EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid)
       OR EXISTS (SELECT FROM pg_attrdef WHERE adrelid = c.oid)
       OR (SELECT count(*) FROM pg_rewrite WHERE ev_class = c.oid) > 1 AS more
FROM using_view u JOIN pg_class c USING (oid)
GROUP BY c.oid;

DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT 'the view ' || name AS what, 'is materialized, or has triggers, rules or defaults' AS why
        FROM saved_views WHERE relkind <> 'v' OR more
        UNION ALL
        SELECT format('the trigger %s on %s', tgname, relname), 'is a constraint trigger, or a row trigger with a '
               'transition table, which partitions cannot have'
        FROM partitioned p JOIN pg_trigger t ON tgrelid = p.oid
        WHERE NOT tgisinternal AND (tgconstraint <> 0
              OR (tgtype & 1 = 1 AND (tgoldtable IS NOT NULL OR tgnewtable IS NOT NULL)))
        UNION ALL
        SELECT format('the index %s on %s', i.indexrelid::regclass, relname),
               format('is unique without the column %s, which partitions cannot have', key)
        FROM partitioned p JOIN pg_index i ON i.indrelid = p.oid
        WHERE (i.indisunique AND NOT EXISTS (
                  SELECT FROM pg_attribute WHERE attrelid = p.oid AND attname = key AND attnum = ANY (i.indkey)))
           OR i.indisexclusion
        UNION ALL
        SELECT format('the relation %s', to_regclass('public.' || default_partition)),
               'has the name that the default partition gets'
        FROM partitioned WHERE to_regclass('public.' || default_partition) IS NOT NULL
        UNION ALL
        SELECT format('the rule %s on %s', rulename, relname), 'is not made again'
        FROM partitioned p JOIN pg_rewrite r ON r.ev_class = p.oid
        UNION ALL
        SELECT format('the policy %s on %s', polname, relname), 'is not made again'
        FROM partitioned p JOIN pg_policy ON polrelid = p.oid
        UNION ALL
        SELECT format('the table %s', inhrelid::regclass), format('inherits from %s', relname)
        FROM partitioned p JOIN pg_inherits ON inhparent = p.oid
        UNION ALL
        SELECT format('the subscription %s of %s', subname, relname), 'writes to it'
        FROM partitioned p JOIN pg_subscription_rel ON srrelid = p.oid JOIN pg_subscription s ON s.oid = srsubid
        UNION ALL
        SELECT format('the publication %s of %s', pubname, relname),
               'publishes other partitioned tables by their partitions'
        FROM partitioned p JOIN pg_publication_tables t ON t.schemaname = 'public' AND t.tablename = p.relname
        JOIN pg_publication b USING (pubname)
        WHERE NOT b.pubviaroot AND EXISTS (
            SELECT FROM pg_publication_tables o JOIN pg_namespace n ON n.nspname = o.schemaname
            JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = o.tablename
            WHERE o.pubname = b.pubname AND c.relispartition)
        UNION ALL
        -- A function's arguments, a column of the table's type, a function with a parsed body.
        SELECT pg_describe_object(d.classid, d.objid, d.objsubid), format('is made of %s', relname)
        FROM partitioned p
        JOIN pg_depend d ON (d.refclassid = 'pg_class'::regclass AND d.refobjid = p.oid)
            OR (d.refclassid = 'pg_type'::regclass
                AND d.refobjid IN (p.reltype, (SELECT typarray FROM pg_type WHERE oid = p.reltype)))
        WHERE d.deptype = 'n'
          AND d.classid NOT IN ('pg_rewrite'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass,
                                'pg_publication_rel'::regclass)
          AND NOT (d.classid = 'pg_type'::regclass AND d.objid = (SELECT typarray FROM pg_type WHERE oid = p.reltype))
    LOOP
        RAISE EXCEPTION '% %', found.what, found.why USING ERRCODE = 'dependent_objects_still_exist',
            HINT = 'Drop it, migrate again, and create it again.';
    END LOOP;
    FOR found IN SELECT * FROM saved_views ORDER BY depth DESC LOOP
        EXECUTE format('DROP VIEW %s', found.name);
    END LOOP;
END $$;

-- What is made again on the new table, from its own definition, in this order. The names in them mean the new table by
-- then; `attach` names the index of the default partition.
CREATE TEMPORARY TABLE saved_parts (step integer, of_table name, command text, attach text) ON COMMIT DROP;
INSERT INTO saved_parts
-- A rule that old rows break. Others are copied, tree by tree: once spelled and read again a rule may be another one to
-- PostgreSQL, so this one is made again on both tables.
SELECT 1, relname, format('ALTER TABLE public.%1$I DROP CONSTRAINT IF EXISTS %2$I, ADD CONSTRAINT %2$I %3$s', relname,
                          conname, pg_get_constraintdef(c.oid)), NULL::text
FROM partitioned p JOIN pg_constraint c ON conrelid = p.oid
WHERE contype = 'c' AND NOT convalidated
UNION ALL
-- Those of the default partition are attached to them, and nothing is checked or built again.
SELECT 2, relname, format('ALTER TABLE public.%I ADD CONSTRAINT %I %s', relname, conname, pg_get_constraintdef(c.oid)),
       NULL
FROM partitioned p JOIN pg_constraint c ON conrelid = p.oid
WHERE contype IN ('p', 'u', 'f')
UNION ALL
SELECT 3, p.relname, replace(pg_get_indexdef(indexrelid), format(' ON public.%I ', p.relname),
                             format(' ON ONLY public.%I ', p.relname)),
       format('ALTER INDEX public.%I ATTACH PARTITION public.%I', i.relname, left(i.relname, 55) || '_default')
FROM partitioned p JOIN pg_index ON indrelid = p.oid JOIN pg_class i ON i.oid = indexrelid
WHERE indisvalid AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = p.oid)
UNION ALL
SELECT 6, relname, format('COMMENT ON INDEX %s IS %L', indexrelid::regclass, description), NULL
FROM partitioned p JOIN pg_index ON indrelid = p.oid
JOIN pg_description ON objoid = indexrelid AND classoid = 'pg_class'::regclass
UNION ALL
SELECT 3, relname, format('ALTER TABLE %s OWNER TO %s', p.oid::regclass, relowner::regrole), NULL
FROM partitioned p
WHERE relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
UNION ALL
SELECT 4, p.relname, format('GRANT %s ON %s TO %s%s', privilege_type, p.oid::regclass,
                            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), NULL
FROM partitioned p JOIN pg_class c USING (oid) CROSS JOIN LATERAL aclexplode(c.relacl)
WHERE grantee <> c.relowner
UNION ALL
SELECT 4, p.relname, format('GRANT %s (%I) ON %s TO %s%s', privilege_type, attname, p.oid::regclass,
                            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), NULL
FROM partitioned p JOIN pg_attribute ON attrelid = p.oid CROSS JOIN LATERAL aclexplode(attacl)
UNION ALL
SELECT 5, relname, pg_get_triggerdef(t.oid), NULL
FROM partitioned p JOIN pg_trigger t ON tgrelid = p.oid
WHERE NOT tgisinternal
UNION ALL
SELECT 6, relname, format('ALTER TABLE %s %s TRIGGER %I', p.oid::regclass, CASE tgenabled
                          WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, tgname),
       NULL
FROM partitioned p JOIN pg_trigger t ON tgrelid = p.oid
WHERE NOT tgisinternal AND tgenabled <> 'O'
UNION ALL
SELECT 6, relname, format('COMMENT ON TRIGGER %I ON %s IS %L', tgname, p.oid::regclass, description), NULL
FROM partitioned p JOIN pg_trigger t ON tgrelid = p.oid
JOIN pg_description ON objoid = t.oid AND classoid = 'pg_trigger'::regclass
WHERE NOT tgisinternal
UNION ALL
SELECT 6, relname, format('COMMENT ON TABLE %s IS %L', p.oid::regclass, description), NULL
FROM partitioned p JOIN pg_description ON objoid = p.oid AND classoid = 'pg_class'::regclass AND objsubid = 0
UNION ALL
-- Other programs' foreign keys to it.
SELECT 7, p.relname, format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
                            pg_get_constraintdef(c.oid)), NULL
FROM partitioned p JOIN pg_constraint c ON confrelid = p.oid AND contype = 'f' AND conparentid = 0
UNION ALL
-- Under the table's own name, not as its partitions: subscribers know that one.
SELECT 8, relname, format('ALTER PUBLICATION %I SET (publish_via_partition_root = true)', pubname), NULL
FROM partitioned p JOIN pg_publication_tables t ON schemaname = 'public' AND tablename = relname
JOIN pg_publication USING (pubname) WHERE NOT pubviaroot
UNION ALL
SELECT 9, relname, format('ALTER PUBLICATION %I ADD TABLE %s%s%s', pubname, p.oid::regclass,
    (SELECT format(' (%s)', string_agg(quote_ident(attname), ', ' ORDER BY attnum)) FROM pg_attribute
     WHERE attrelid = p.oid AND attnum = ANY (prattrs)),
    ' WHERE (' || pg_get_expr(prqual, prrelid) || ')'), NULL
FROM partitioned p JOIN pg_publication_rel ON prrelid = p.oid JOIN pg_publication b ON b.oid = prpubid;

DO $$
DECLARE
    converted record;
    found record;
BEGIN
    FOR converted IN SELECT * FROM partitioned LOOP
        FOR found IN SELECT * FROM saved_parts WHERE of_table = converted.relname AND step = 1 LOOP
            EXECUTE found.command;
        END LOOP;
        FOR found IN
            SELECT format('ALTER PUBLICATION %I DROP TABLE %s', pubname, converted.oid::regclass) AS command
            FROM pg_publication_rel JOIN pg_publication b ON b.oid = prpubid WHERE prrelid = converted.oid
            UNION ALL
            SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
            FROM pg_constraint WHERE confrelid = converted.oid AND contype = 'f' AND conparentid = 0
            UNION ALL
            -- Row triggers of a table are its partitions' too; statement triggers are on each.
            SELECT format('DROP TRIGGER %I ON %s', tgname, converted.oid::regclass)
            FROM pg_trigger WHERE tgrelid = converted.oid AND NOT tgisinternal AND tgtype & 1 = 1
            UNION ALL
            SELECT format('ALTER INDEX %s RENAME TO %I', indexrelid::regclass,
                          left(c.relname, 55) || '_default')
            FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = converted.oid AND indisvalid
            UNION ALL
            SELECT format('ALTER TABLE public.%I RENAME TO %s', converted.relname, converted.default_partition)
            UNION ALL
            SELECT format('CREATE TABLE public.%I (LIKE public.%s INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
                          'INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS) PARTITION BY RANGE (%I)',
                          converted.relname, converted.default_partition, converted.key)
            UNION ALL
            SELECT format('REVOKE ALL ON public.%I FROM %s', converted.relname,
                          CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
            FROM pg_default_acl CROSS JOIN LATERAL aclexplode(defaclacl)
            WHERE defaclobjtype = 'r' AND defaclnamespace IN (0, 'public'::regnamespace)
                AND defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
                AND grantee <> defaclrole
        LOOP
            EXECUTE found.command;
        END LOOP;
        FOR found IN SELECT * FROM saved_parts WHERE of_table = converted.relname AND step <= 2 ORDER BY step LOOP
            EXECUTE found.command;
        END LOOP;
        EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%s DEFAULT',
            converted.relname, converted.default_partition);
        FOR found IN SELECT * FROM saved_parts WHERE of_table = converted.relname AND step > 2 ORDER BY step LOOP
            BEGIN
                EXECUTE found.command;
                IF found.attach IS NOT NULL THEN
                    EXECUTE found.attach;
                END IF;
            EXCEPTION WHEN invalid_object_definition THEN
                RAISE WARNING 'not for new partitions: %', found.command;
            END;
        END LOOP;
        EXECUTE format('CREATE TRIGGER trigger_refuse_detached BEFORE INSERT ON public.%s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_detached()', converted.default_partition);
    END LOOP;
    FOR found IN SELECT * FROM saved_views ORDER BY depth LOOP
        EXECUTE format('CREATE VIEW %s AS %s', found.name, found.definition);
    END LOOP;
    FOR found IN SELECT unnest(afterwards) AS command FROM saved_views ORDER BY depth LOOP
        EXECUTE found.command;
    END LOOP;
END $$;

-- Pages by time read each month's index on their own. The default partition, which may be large, gets its index after
-- this migration, while others write: see partitions.py.
CREATE INDEX idx_prompt_executions_executed ON ONLY prompt_executions (executed_at, id);
