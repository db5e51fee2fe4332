-- Under its own number where that is free, else under the next one of its name.
INSERT INTO public.prompt_templates (id, name, version, template_text, is_active, description, created_by)
SELECT %(id)s, %(name)s,
       CASE WHEN EXISTS (SELECT FROM public.prompt_templates WHERE name = %(name)s AND version = %(version)s)
            THEN (SELECT max(version) + 1 FROM public.prompt_templates WHERE name = %(name)s)
            ELSE %(version)s END,
       '', false, 'Made by the takeover: executions name this template, and it was gone', 'takeover'
