-- Whether feedback of this name was ever recorded, and the names of what was recorded lately, those with the most first.
SELECT EXISTS (SELECT FROM prompt_feedback WHERE name = %(name)s),
       ARRAY(SELECT name FROM prompt_feedback WHERE at >= now() - interval '90 days'
             GROUP BY name ORDER BY count(*) DESC, name LIMIT 10)
