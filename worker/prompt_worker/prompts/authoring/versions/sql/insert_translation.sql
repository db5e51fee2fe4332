-- Either a text or, of a chat, messages.
INSERT INTO prompt_translations (template_id, language, template_text, messages)
VALUES (%s, %s, %s, %s::jsonb)
