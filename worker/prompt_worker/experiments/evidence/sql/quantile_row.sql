UNION ALL
SELECT 'quantile', l.arm, NULL, l.units, l.n, NULL, ARRAY[
    l.s, l.ss, l.sn, l.nn, l.value,
    (SELECT min(h.value) FROM histogram h
     WHERE h.arm = l.arm AND h.below >= ceil(greatest(0, %(probability)s - l.radius)::float8 * h.calls)),
    (SELECT min(h.value) FROM histogram h
     WHERE h.arm = l.arm AND h.below >= ceil(least(1, %(probability)s + l.radius)::float8 * h.calls))
]::float8[]
FROM levels l
