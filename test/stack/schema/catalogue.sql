-- One line for each thing that a schema consists of, the order of columns aside.
SELECT line FROM (
    SELECT format('column %s.%s %s%s%s', attrelid::regclass, attname,
        format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' NOT NULL' END,
        ' DEFAULT ' || pg_get_expr(adbin, adrelid))
    FROM pg_attribute
    JOIN pg_class c ON c.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped
        AND relnamespace IN ('public'::regnamespace, 'dbmate'::regnamespace)
    UNION ALL
    SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
    FROM pg_index JOIN pg_class ON oid = indexrelid
    WHERE relnamespace IN ('public'::regnamespace, 'dbmate'::regnamespace)
    UNION ALL
    SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure FROM pg_proc p
    WHERE pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
    UNION ALL
    SELECT format('rights %s %s', oid::regclass, relacl) FROM pg_class
    WHERE relkind IN ('r', 'S') AND relnamespace IN ('public'::regnamespace, 'dbmate'::regnamespace)
    UNION ALL
    SELECT 'extension ' || extname FROM pg_extension
    UNION ALL
    SELECT 'migration ' || version FROM dbmate.schema_migrations
) AS all_lines (line)
ORDER BY line COLLATE "C";
