-- Guarded rollouts: a new version beside the one in production, for a growing part of the units. Who releases prompts
-- begins and ends one; who looks at it may only stop one that does harm.

-- Nothing that somebody else put into schema public is taken for an operator or a function of ours.
SET LOCAL search_path = pg_catalog, pg_temp;

-- `steps`: the percentages of all units that the canary gets one after the other, 100 at last.
ALTER TABLE public.ab_test_experiments
    ADD COLUMN steps jsonb CHECK (jsonb_typeof(steps) = 'array'),
    ADD COLUMN counts_violations boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT check_rollout_has_steps CHECK (kind = 'test' OR steps IS NOT NULL);

-- The canary beside what is in production. Returns the name of the experiment.
CREATE FUNCTION public.start_prompt_rollout(
    canary uuid, content_sha256 text, steps jsonb, ranges jsonb, unit_kind text, auto_rollback boolean,
    counts_violations boolean
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    candidate public.prompt_templates;
    control uuid;
    problem text;
    rollout uuid;
    rollout_name text;
    named integer := 1;
BEGIN
    PERFORM FROM public.prompt_registry FOR NO KEY UPDATE;
    IF steps @? '$[*] ? (@.type() != "number" || @ < 0.01 || @ > 100)' OR jsonb_array_length(steps) = 0 THEN
        RAISE EXCEPTION 'the steps of a rollout are percentages, from 0.01 to 100' USING ERRCODE = 'PW013';
    END IF;
    SELECT t.* INTO candidate FROM public.prompt_templates t WHERE t.id = canary;
    IF candidate.content_sha256 IS DISTINCT FROM content_sha256 THEN
        RAISE EXCEPTION 'the version changed since it was examined' USING ERRCODE = 'PW013', HINT = 'Run it again.';
    END IF;
    IF candidate.ab_test_group IS NOT NULL THEN
        RAISE EXCEPTION 'version % of "%" is group "%" of an A/B test', candidate.version, candidate.name,
            candidate.ab_test_group USING ERRCODE = 'PW013', HINT = 'What is for everybody has no group.';
    END IF;
    SELECT t.id INTO control FROM public.prompt_templates t
    WHERE t.name = candidate.name AND t.is_active AND t.ab_test_group IS NULL;
    IF control IS NULL THEN
        RAISE EXCEPTION 'no version of "%" is in production, so a canary has none to compare with', candidate.name
            USING ERRCODE = 'PW013', HINT = 'Activate one for everybody.';
    ELSIF control = canary THEN
        RAISE EXCEPTION 'version % of "%" is in production already', candidate.version, candidate.name
            USING ERRCODE = 'PW013';
    END IF;
    SELECT n.blocked_reason INTO problem FROM public.prompt_names n WHERE n.name = candidate.name;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '"%" is blocked (%): no version of it is served', candidate.name, problem
            USING ERRCODE = 'PW013', HINT = 'Unblock it first.';
    END IF;
    SELECT e.name INTO problem FROM public.ab_test_experiments e
    WHERE e.template_name = candidate.name AND e.kind = 'rollout' AND e.status IN ('active', 'paused');
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'the rollout "%" is on "%" already', problem, candidate.name
            USING ERRCODE = 'PW012', HINT = 'Advance or abort it first.';
    END IF;

    rollout_name := left(candidate.name, 230) || '@' || candidate.version;
    WHILE EXISTS (SELECT FROM public.ab_test_experiments e WHERE e.name = rollout_name) LOOP
        named := named + 1;
        rollout_name := left(candidate.name, 230) || '@' || candidate.version || ' #' || named;
    END LOOP;
    INSERT INTO public.ab_test_experiments (name, template_name, status, kind, arms, steps, traffic_allocation,
        primary_metric, unit_kind, auto_rollback, counts_violations, actual_start_date, created_by)
    VALUES (rollout_name, candidate.name, 'active', 'rollout',
            jsonb_build_object('control', control, 'canary', canary), steps, public.rollout_allocation(steps -> 0),
            'failure_rate', unit_kind, auto_rollback, counts_violations, now(), public.current_prompt_actor())
    RETURNING id INTO rollout;
    PERFORM public.begin_rollout_step(rollout, 1, rollout::text, steps -> 0, ranges);
    RETURN rollout_name;
END $$;

CREATE FUNCTION public.rollout_allocation(percent jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT jsonb_build_object('control', 100 - $1::numeric, 'canary', $1) $$;

-- Buckets of an arm, of 10,000.
CREATE FUNCTION public.assigned_buckets(ranges jsonb, arm text) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(sum((r ->> 1)::integer - (r ->> 0)::integer), 0)
    FROM jsonb_array_elements($1) r WHERE r ->> 2 = $2
$$;

-- The comparison begins again: units that change to the canary were in the control before.
CREATE FUNCTION public.begin_rollout_step(rollout uuid, phase integer, seed text, percent jsonb, ranges jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    INSERT INTO public.ab_test_phases (experiment_id, phase, seed, ranges, allocation, restarts, why, created_by)
    VALUES (rollout, phase, seed, ranges, public.rollout_allocation(percent), true,
            coalesce(nullif(current_setting('prompt_worker.reason', true), ''), concat(percent, ' %')),
            public.current_prompt_actor());
    -- What is served is what the history says.
    IF public.assigned_buckets(ranges, 'canary') <> round(percent::numeric * 100)
        OR public.assigned_buckets(ranges, 'control') <> 10000 - round(percent::numeric * 100)
    THEN
        RAISE EXCEPTION 'these ranges do not give the canary % %% of the units, and the control the others', percent
            USING ERRCODE = 'PW013', HINT = 'prompts activate --canary and prompts rollout advance make them.';
    END IF;
END $$;

-- More units for the canary. `after`: the phase that this was decided in, so that nothing is stepped over.
CREATE FUNCTION public.step_prompt_rollout(rollout uuid, after integer, percent jsonb, ranges jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    seed text;
BEGIN
    PERFORM FROM public.prompt_registry FOR NO KEY UPDATE;
    UPDATE public.ab_test_phases p SET ended_at = now()
    FROM public.ab_test_experiments e
    WHERE p.experiment_id = rollout AND p.phase = after AND p.ended_at IS NULL
      AND e.id = rollout AND e.kind = 'rollout' AND e.status = 'active'
    RETURNING p.seed INTO seed;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the rollout is not at this step any more' USING ERRCODE = 'PW013', HINT = 'Look at it again.';
    END IF;
    PERFORM public.begin_rollout_step(rollout, after + 1, seed, percent, ranges);
    UPDATE public.ab_test_experiments
    SET traffic_allocation = public.rollout_allocation(percent), updated_at = now(), verdict = NULL,
        verdict_reason = NULL, looked_at = NULL
    WHERE id = rollout;
END $$;

-- `promoted`: its version is in production now. Else everybody gets what is in production.
CREATE FUNCTION public.end_prompt_rollout(rollout uuid, promoted boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM FROM public.prompt_registry FOR NO KEY UPDATE;
    UPDATE public.ab_test_experiments e
    SET status = 'completed', updated_at = now(),
        verdict = CASE WHEN e.verdict IN ('harmful', 'invalid', 'srm_failed') THEN e.verdict ELSE 'stopped' END,
        verdict_reason = CASE
            WHEN e.verdict IN ('harmful', 'invalid', 'srm_failed') THEN e.verdict_reason
            WHEN promoted THEN 'its version is in production'
            ELSE 'it was aborted' END,
        winner_variant = CASE WHEN promoted THEN 'canary' END,
        winner_declared_at = CASE WHEN promoted THEN now() END,
        winner_declared_by = CASE WHEN promoted THEN public.current_prompt_actor() END
    WHERE e.id = rollout AND e.kind = 'rollout' AND e.status IN ('active', 'paused')
      AND (NOT promoted OR EXISTS (SELECT FROM public.prompt_templates t
                                   WHERE t.id = (e.arms ->> 'canary')::uuid AND t.is_active));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the rollout is over, or its version is not in production' USING ERRCODE = 'PW013',
            HINT = 'Look at it again.';
    END IF;
    UPDATE public.ab_test_phases SET ended_at = now() WHERE experiment_id = rollout AND ended_at IS NULL;
END $$;

-- Of one with auto_rollback whose canary was found harmful at its present step. Returns why; null where there is
-- nothing to do, as when another evaluator did it.
CREATE FUNCTION public.roll_back_prompt_rollout(rollout uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    found text;
BEGIN
    PERFORM FROM public.prompt_registry FOR NO KEY UPDATE;
    SELECT l.reason INTO found
    FROM public.ab_test_experiments e
    JOIN public.ab_test_looks l ON l.experiment_id = e.id AND l.verdict = 'harmful'
        AND l.phase = (SELECT max(p.phase) FROM public.ab_test_phases p WHERE p.experiment_id = e.id)
    WHERE e.id = rollout AND e.kind = 'rollout' AND e.auto_rollback AND e.status IN ('active', 'paused')
    ORDER BY l.id LIMIT 1;
    IF found IS NOT NULL THEN
        PERFORM set_config('prompt_worker.reason', 'rolled back automatically: ' || found, true);
        PERFORM public.end_prompt_rollout(rollout, false);
    END IF;
    RETURN found;
END $$;

-- In the history of the prompt itself, beside that of the experiment.
CREATE FUNCTION public.record_rollout_change(rollout public.ab_test_experiments, action text, after jsonb) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT public.record_prompt_change($2, 'rollout', ($1).template_name, t.version, NULL,
        jsonb_build_object('experiment', ($1).name) || $3
        || public.prompt_release(t)
        || CASE WHEN public.prompt_is_released(public.prompt_release(t)) THEN '{}' ELSE '{"break_glass": true}' END::jsonb)
    FROM public.prompt_templates t WHERE t.id = (($1).arms ->> 'canary')::uuid
$$;

CREATE FUNCTION public.record_rollout_step() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.record_rollout_change(e, 'rolling_out', jsonb_build_object('percent', NEW.allocation -> 'canary'))
    FROM public.ab_test_experiments e WHERE e.id = NEW.experiment_id AND e.kind = 'rollout';
    RETURN NULL;
END $$;

CREATE FUNCTION public.record_rollout_status() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.record_rollout_change(NEW, CASE
        WHEN NEW.status = 'active' THEN 'resumed'
        WHEN NEW.status = 'paused' THEN 'paused'
        WHEN NEW.winner_variant = 'canary' THEN 'rolled_out'
        ELSE 'rolled_back' END, '{}');
    RETURN NULL;
END $$;

-- Nobody is served a version in place of production without the approvals that production needs.
CREATE FUNCTION public.require_approvals_of_arms() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.require_prompt_release(t)
    FROM public.ab_test_experiments e
    CROSS JOIN LATERAL jsonb_each_text(e.arms) a
    JOIN public.prompt_templates t ON t.id = a.value::uuid
    WHERE e.id = NEW.experiment_id AND t.is_active IS NOT TRUE;
    RETURN NEW;
END $$;

REVOKE EXECUTE ON FUNCTION public.start_prompt_rollout, public.step_prompt_rollout, public.end_prompt_rollout,
    public.roll_back_prompt_rollout, public.record_rollout_step, public.record_rollout_status,
    public.require_approvals_of_arms FROM PUBLIC;

CREATE TRIGGER trigger_require_approvals_of_arms
    BEFORE INSERT ON public.ab_test_phases FOR EACH ROW EXECUTE FUNCTION public.require_approvals_of_arms();
CREATE TRIGGER trigger_record_rollout_step
    AFTER INSERT ON public.ab_test_phases FOR EACH ROW EXECUTE FUNCTION public.record_rollout_step();
CREATE TRIGGER trigger_record_rollout_status
    AFTER UPDATE OF status ON public.ab_test_experiments
    FOR EACH ROW WHEN (NEW.kind = 'rollout' AND OLD.status <> NEW.status)
    EXECUTE FUNCTION public.record_rollout_status();

GRANT EXECUTE ON FUNCTION public.start_prompt_rollout, public.step_prompt_rollout, public.end_prompt_rollout,
    public.roll_back_prompt_rollout TO prompt_approver, prompt_operator;
GRANT EXECUTE ON FUNCTION public.roll_back_prompt_rollout TO prompt_experiment_worker;
-- What became of a rollout, for those who decide on the next step.
GRANT SELECT ON public.ab_test_phases, public.ab_test_looks, public.v_ab_test_arms, public.v_ab_test_audit
    TO prompt_editor, prompt_approver;
