-- Templates that share name and version: the oldest keeps its number, the others get the next free ones of their name.
WITH ranked AS (
    SELECT id, name, version, row_number() OVER (PARTITION BY name, version ORDER BY created_at, id) AS place
    FROM public.prompt_templates
), moved AS (
    SELECT id, name, version, row_number() OVER (PARTITION BY name ORDER BY version, place) AS step
    FROM ranked WHERE place > 1
)
SELECT id, name, version, (SELECT max(t.version) FROM public.prompt_templates t WHERE t.name = moved.name) + step
FROM moved
ORDER BY name, version, step
