-- Who read which text in the console: a row before each text that is shown.

-- Nothing that somebody else put into schema public is taken for an operator or a function of ours.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE public.console_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    who varchar(255) NOT NULL,
    login varchar(255) NOT NULL,
    action varchar(50) NOT NULL CHECK (action = 'revealed'),
    kind varchar(50) NOT NULL CHECK (kind IN ('execution', 'dead_letter')),
    subject uuid NOT NULL
);
CREATE INDEX idx_console_audit_subject ON public.console_audit (subject, id);

REVOKE ALL ON public.console_audit FROM PUBLIC;

CREATE FUNCTION public.stamp_console_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.at := clock_timestamp();
    NEW.who := public.current_prompt_actor();
    NEW.login := session_user;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION public.stamp_console_audit FROM PUBLIC;

CREATE TRIGGER trigger_stamp_console_audit
    BEFORE INSERT ON public.console_audit
    FOR EACH ROW EXECUTE FUNCTION public.stamp_console_audit();
CREATE TRIGGER trigger_refuse_change_of_console_audit
    BEFORE UPDATE OR DELETE OR TRUNCATE ON public.console_audit
    FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_record();

-- Whoever may read texts records that; those who answer for prompts and operations see who did.
GRANT INSERT (action, kind, subject) ON public.console_audit TO prompt_text_reader, prompt_operator;
GRANT SELECT ON public.console_audit TO prompt_text_reader, prompt_operator, prompt_approver;
