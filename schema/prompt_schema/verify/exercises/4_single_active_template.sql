-- one active version per name, exercised
DO $$
DECLARE
    run_name text := 'verify ' || gen_random_uuid();
BEGIN
    INSERT INTO prompt_templates (name, template_text, version, is_active, ab_test_group)
    VALUES (run_name, '-', 1, true, NULL), (run_name, '-', 2, false, NULL),
           (run_name, '-', 3, true, 'variant_a'), (run_name, '-', 4, false, 'variant_a'),
           (run_name, '-', 5, false, 'variant_a');
    UPDATE prompt_templates SET is_active = true WHERE name = run_name AND version = 2;
    ASSERT (SELECT array_agg(version ORDER BY version) FROM prompt_templates WHERE name = run_name AND is_active)
        = ARRAY[2, 3], 'the activated version did not replace the active one: '
        'is trigger_enforce_single_active_template in place?';
    ASSERT (SELECT deactivated_at IS NOT NULL FROM prompt_templates WHERE name = run_name AND version = 1),
        'a replaced version has no deactivated_at';
END $$;
