-- Whoever releases a prompt tries it on what it was really given, without reading what users wrote.

-- The shape of a value: as many letters x as a text has characters, 1 for each number. Names of fields stay where they
-- are such as a template reads.
CREATE FUNCTION public.mask_json(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE jsonb_typeof(value)
        WHEN 'string' THEN to_jsonb(repeat('x', length(value #>> '{}')))
        WHEN 'number' THEN '1'::jsonb
        WHEN 'array' THEN (
            SELECT coalesce(jsonb_agg(public.mask_json(item) ORDER BY at), '[]')
            FROM jsonb_array_elements(value) WITH ORDINALITY AS items (item, at))
        WHEN 'object' THEN (
            SELECT coalesce(jsonb_object_agg(
                CASE WHEN key ~ '^[A-Za-z_][A-Za-z0-9_]{0,49}$' THEN key ELSE repeat('x', length(key)) END,
                public.mask_json(item)), '{}')
            FROM jsonb_each(value) AS fields (key, item))
        ELSE value
    END;
END $$;

-- The last executions of any version of a prompt, the newest first. By index: of each version and status the last ones.
CREATE FUNCTION public.masked_prompt_inputs(prompt text, most integer)
RETURNS TABLE (execution uuid, version integer, input_variables jsonb, rendered_length integer, language varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.id, e.template_version, public.mask_json(e.input_variables), length(e.rendered_prompt), e.language
    FROM public.prompt_templates t
    CROSS JOIN unnest(ARRAY['success', 'failure', 'partial', 'blocked']) AS statuses (status)
    CROSS JOIN LATERAL (
        SELECT x.id, x.template_version, x.input_variables, x.rendered_prompt, x.language, x.executed_at
        FROM public.prompt_executions x
        WHERE x.template_id = t.id AND x.status = statuses.status
        ORDER BY x.executed_at DESC
        LIMIT least(most, 1000)
    ) e
    WHERE t.name = prompt
    ORDER BY e.executed_at DESC, e.id DESC
    LIMIT least(most, 1000)
$$;

REVOKE EXECUTE ON FUNCTION public.mask_json, public.masked_prompt_inputs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.masked_prompt_inputs TO prompt_editor, prompt_approver;

-- What serves which version, for the proof that a release took effect: no text, and nobody's id.
GRANT SELECT (id, template_id, template_name, template_version, ab_test_group, status, executed_at, environment,
        prompt_source, selection, registry_revision, language, content_sha256, service)
    ON public.prompt_executions TO prompt_viewer, prompt_editor, prompt_approver;
