-- Whether feedback of this name was ever recorded, and the names of what was recorded lately, those with the most
-- first; they are shown on terminals.
SELECT EXISTS (SELECT FROM prompt_feedback WHERE name = %(name)s),
       ARRAY(SELECT regexp_replace(name, '[[:cntrl:]]', '?', 'g') FROM prompt_feedback WHERE at >= now() - interval '90 days'
             GROUP BY name ORDER BY count(*) DESC, name LIMIT 10)
