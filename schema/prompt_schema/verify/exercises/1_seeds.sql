-- seeds: three prompts, three guardrails
DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(name, ', ') INTO missing
    FROM unnest(ARRAY['nlu_topic_extraction', 'clarification_question_generation', 'educational_script_generation'])
        AS seed (name)
    WHERE NOT EXISTS (SELECT FROM prompt_templates t WHERE t.name = seed.name);
    ASSERT missing IS NULL, 'prompts are missing: ' || missing || '; insert them again from the migration "seeds"';

    SELECT string_agg(name, ', ') INTO missing
    FROM unnest(ARRAY['pii_detection_basic', 'toxic_content_filter', 'prompt_injection_detection']) AS seed (name)
    WHERE NOT EXISTS (SELECT FROM prompt_guardrails g WHERE g.name = seed.name);
    ASSERT missing IS NULL, 'guardrails are missing: ' || missing || '; insert them again from the migration "seeds"';
END $$;
