/* Each decision of the analysis: class and the reason it names. */

#include "common/canonical/outcome.h"
#include "tests/unit/worker/differences.h"
#include "tests/unit/worker/sqlite/decisions.h"

static const char *const creates[] = {
        "CREATE TABLE s(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INT, name TEXT, raw BLOB, "
        "price REAL, any ANY) STRICT",
        "CREATE TABLE l(id INTEGER PRIMARY KEY, name TEXT, qty INTEGER, price REAL, x)",
        "CREATE TABLE n(id INTEGER PRIMARY KEY, t TEXT COLLATE NOCASE) STRICT",
        "CREATE TABLE g(id INTEGER PRIMARY KEY, t TEXT, h TEXT AS (t || 1.5)) STRICT",
        "CREATE VIEW v AS SELECT id, a FROM s WHERE a > 3",
        "CREATE VIEW vlimit AS SELECT id FROM s LIMIT 3",
        "CREATE TABLE w(name INTEGER, b INT) STRICT",
        "CREATE VIEW vsum AS SELECT a * b AS m FROM s",
        "CREATE VIEW vtext AS SELECT name AS nn FROM s",
        "CREATE VIEW vreal AS SELECT 1.5 AS p",
        "CREATE VIEW vunion AS SELECT a FROM s UNION ALL SELECT price FROM s",
        NULL,
};

#define STARTS "a column beside aggregates"

static const struct decision cases[] = {
        /* exact */
        { "SELECT 1", ENGINE_EXACT, NULL },
        { "SELECT 42 AS answer;", ENGINE_EXACT, NULL },
        { "SELECT id, a, name FROM s", ENGINE_EXACT, NULL },
        { "SELECT id, name FROM l", ENGINE_EXACT, NULL },
        { "SELECT a + b * 2 FROM s", ENGINE_EXACT, NULL },
        { "SELECT a / b, a % 3, -a FROM s", ENGINE_EXACT, NULL },
        { "SELECT price FROM s", ENGINE_EXACT, NULL },
        { "SELECT name FROM s WHERE price > 3", ENGINE_EXACT, NULL },
        { "SELECT count(*), sum(a), min(b), max(name) FROM s", ENGINE_EXACT, NULL },
        { "SELECT name, count(*) FROM s GROUP BY name", ENGINE_EXACT, NULL },
        { "SELECT s.name, count(*) FROM s GROUP BY name", ENGINE_EXACT, NULL },
        { "SELECT name, count(*) FROM s GROUP BY s.name HAVING count(*) > 1", ENGINE_EXACT, NULL },
        { "SELECT upper(name) AS u, count(*) FROM s GROUP BY u", ENGINE_EXACT, NULL },
        { "SELECT upper(name), count(*) FROM s GROUP BY 1", ENGINE_EXACT, NULL },
        { "SELECT upper(name) || 'x', count(*) FROM s GROUP BY name", ENGINE_EXACT, NULL },
        { "SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END, sum(b) FROM s GROUP BY a", ENGINE_EXACT,
          NULL },
        { "SELECT CASE name WHEN 'x' THEN 1 ELSE 0 END kind, count(*) FROM s GROUP BY name",
          ENGINE_EXACT, NULL },
        { "SELECT count(*) n, NULL x, a IS NOT NULL y FROM s GROUP BY a", ENGINE_EXACT, NULL },
        { "SELECT sum(CASE WHEN name = 'x' THEN 1 ELSE 0 END) FROM s", ENGINE_EXACT, NULL },
        { "SELECT name, sum(a) FROM s GROUP BY name ORDER BY sum(a) DESC NULLS LAST, 1 NULLS "
          "FIRST, 2",
          ENGINE_ORDERED, NULL },
        { "SELECT sum(CASE name WHEN 'x' THEN a ELSE b END) FROM s", ENGINE_EXACT, NULL },
        { "SELECT sum(CASE WHEN CASE WHEN name = 'x' THEN 1 END = 1 THEN a END) FROM s",
          ENGINE_EXACT, NULL },
        { "SELECT sum(a * b) AS n, count(DISTINCT a) AS m FROM s HAVING sum(a * b) * 2 > 3",
          ENGINE_EXACT, NULL },
        { "SELECT n FROM (SELECT name, sum(a) AS n FROM s GROUP BY name, a) AS g WHERE n > 2",
          ENGINE_EXACT, NULL },
        { "SELECT DISTINCT a FROM s", ENGINE_EXACT, NULL },
        { "SELECT a FROM s UNION SELECT b FROM s", ENGINE_EXACT, NULL },
        { "SELECT date('now'), current_timestamp", ENGINE_EXACT, NULL },
        { "SELECT * FROM v", ENGINE_EXACT, NULL },
        { "WITH c AS (SELECT a FROM s) SELECT a + 1 FROM c", ENGINE_EXACT, NULL },
        { "WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n "
          "FROM c",
          ENGINE_EXACT, NULL },
        { "SELECT rank() OVER (ORDER BY a) FROM s", ENGINE_EXACT, NULL },
        { "SELECT sum(a) OVER (PARTITION BY name) FROM s", ENGINE_EXACT, NULL },
        { "SELECT CAST(a AS TEXT) FROM s", ENGINE_EXACT, NULL },
        { "SELECT EXISTS (SELECT 1 FROM s LIMIT 1)", ENGINE_EXACT, NULL },
        { "SELECT 'LIMIT 3', \"name\" /* LIMIT 4 */ FROM s -- LIMIT 5", ENGINE_EXACT, NULL },
        { "SELECT (SELECT count(*) FROM l) FROM s", ENGINE_EXACT, NULL },
        { "SELECT x FROM s, (SELECT a AS x FROM s) JOIN (SELECT b AS y FROM s) ON x = y",
          ENGINE_EXACT, NULL },
        { "SELECT a FROM s WHERE a IN (SELECT b FROM s) AND EXISTS (SELECT 1 FROM l)", ENGINE_EXACT,
          NULL },
        { "SELECT a FROM s WHERE name LIKE 'a%'", ENGINE_EXACT, NULL },
        { "VALUES (1, 'a'), (2, 'b')", ENGINE_EXACT, NULL },
        { "SELECT max(a, b) FROM s", ENGINE_EXACT, NULL },
        { "SELECT id FROM l WHERE qty > 3", ENGINE_EXACT, NULL },
        { "SELECT sum(a) OVER (ORDER BY b) FROM s", ENGINE_EXACT, NULL },
        { "SELECT id FROM s WHERE price BETWEEN 0.5 AND 12.25", ENGINE_EXACT, NULL },
        { "SELECT upper(name), length(name), substr(name, 2, 3) FROM s WHERE price > 1",
          ENGINE_EXACT, NULL },
        { "SELECT strftime('%Y-%m %d %H:%M:%S %j %w %W %s %%', a, 'unixepoch') FROM s",
          ENGINE_EXACT, NULL },
        { "SELECT date(a + 3600, 'unixepoch', '+1 month', 'start of year', 'weekday 6') FROM s",
          ENGINE_EXACT, NULL },
        { "SELECT unixepoch('2024-02-28 23:59:59', '-12 hours'), time('now', 'localtime')",
          ENGINE_EXACT, NULL },
        { "SELECT substr(name, instr(name, 'x') + 1, length(name) - 2) FROM s", ENGINE_EXACT,
          NULL },
        { "SELECT substr(name, -3, 9) FROM s", ENGINE_EXACT, NULL },
        { "SELECT length(name) + instr(name, 'x') * 2 FROM s", ENGINE_EXACT, NULL },
        { "SELECT 'row ' || (length(name) + 1), hex(-1) FROM s", ENGINE_EXACT, NULL },
        { "SELECT CAST(a + b AS INTEGER) || '' FROM s", ENGINE_EXACT, NULL },
        { "SELECT sum(n) FROM (SELECT count(*) AS n FROM s GROUP BY name)", ENGINE_EXACT, NULL },
        { "WITH c AS (SELECT name, a + 1 AS n FROM s) SELECT name, n + 1 FROM c", ENGINE_EXACT,
          NULL },
        { "SELECT x + 1 FROM (SELECT length(name) AS x FROM s)", ENGINE_EXACT, NULL },
        { "SELECT id FROM s WHERE a = 5 AND name = 'x' AND b IN (1, 2, '3')", ENGINE_EXACT, NULL },
        { "SELECT s.id FROM s JOIN n USING (id) WHERE s.name = n.t", ENGINE_EXACT, NULL },
        { "SELECT a FROM s WHERE a = (SELECT max(b) FROM s WHERE name = 'x')", ENGINE_EXACT, NULL },
        { "SELECT id FROM s WHERE price > -0.5", ENGINE_EXACT, NULL },
        { "SELECT a & 3, a | b, a << 2, ~a, -a FROM s", ENGINE_EXACT, NULL },
        { "SELECT 9223372036854775807, 0x7fffffffffffffff, 0xffffffffffffffff", ENGINE_EXACT,
          NULL },
        { "SELECT 00000000000000000000000000000001", ENGINE_EXACT, NULL },
        { "SELECT iif(a > 1, name, 'none'), coalesce(name, 'x'), nullif(a, b) FROM s", ENGINE_EXACT,
          NULL },
        { "SELECT name FROM s WHERE name GLOB 'a*' OR name LIKE '%b' ESCAPE 'x'", ENGINE_EXACT,
          NULL },
        { "SELECT replace(name, 'a', 'b'), trim(name, 'x'), hex(raw), quote(name) FROM s",
          ENGINE_EXACT, NULL },
        { "SELECT typeof(price), typeof(a + b), likely(a), sign(a) FROM s", ENGINE_EXACT, NULL },
        { "SELECT unicode(name), char(a, 65), zeroblob(3), abs(a) FROM s", ENGINE_EXACT, NULL },
        { "SELECT count(*) OVER (ORDER BY a GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE "
          "TIES) FROM s",
          ENGINE_EXACT, NULL },
        { "SELECT dense_rank() OVER w FROM s WINDOW w AS (PARTITION BY name ORDER BY a)",
          ENGINE_EXACT, NULL },
        { "SELECT CAST(name AS INTEGER), CAST(name AS BLOB) FROM s", ENGINE_EXACT, NULL },
        { "SELECT a IS DISTINCT FROM b, a IS NOT NULL FROM s", ENGINE_EXACT, NULL },
        { "SELECT name FROM s INTERSECT SELECT name FROM s EXCEPT SELECT name FROM l", ENGINE_EXACT,
          NULL },
        { "SELECT rowid FROM s WHERE id IN (SELECT id FROM s)", ENGINE_FLOAT, "a rowid", "rowid" },
        { "SELECT rowid FROM s", ENGINE_EXACT, NULL },
        { "SELECT count(DISTINCT name) FILTER (WHERE a > 1) FROM s", ENGINE_EXACT, NULL },
        { "SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END || 'z' FROM s", ENGINE_EXACT, NULL },
        { "SELECT name LIKE ('a%') FROM s", ENGINE_EXACT, NULL },
        { "SELECT max(length(name)), min(name) FROM s GROUP BY a", ENGINE_EXACT, NULL },
        { "SELECT name NOT LIKE 'a%' FROM s", ENGINE_EXACT, NULL },
        { "SELECT sum(a) FROM s WHERE name || 'x' = 'yx'", ENGINE_EXACT, NULL },

        /* ordered */
        { "SELECT a, name FROM s ORDER BY a", ENGINE_ORDERED, NULL, NULL,
          "SELECT a, name FROM s ORDER BY a, 1, 2" },
        { "SELECT a, name FROM s ORDER BY a DESC LIMIT 3; -- end", ENGINE_ORDERED, NULL, NULL,
          "SELECT a, name FROM s ORDER BY a DESC, 1, 2 LIMIT 3; -- end" },
        { "SELECT a, name FROM s ORDER BY a, 2 DESC, 1", ENGINE_ORDERED, NULL },
        { "SELECT a, name, b FROM s ORDER BY 3 DESC, b, 1 NULLS LAST LIMIT 9", ENGINE_ORDERED, NULL,
          NULL, "SELECT a, name, b FROM s ORDER BY 3 DESC, b, 1 NULLS LAST, 2 LIMIT 9" },
        { "SELECT t FROM n ORDER BY 1", ENGINE_ORDERED, NULL, NULL,
          "SELECT t FROM n ORDER BY 1, 1 COLLATE BINARY" },
        { "SELECT a FROM s UNION SELECT b FROM s ORDER BY 1", ENGINE_ORDERED, NULL },
        { "SELECT a FROM s ORDER BY (SELECT max(b) FROM s) LIMIT 2 OFFSET 1", ENGINE_ORDERED, NULL,
          NULL, "SELECT a FROM s ORDER BY (SELECT max(b) FROM s), 1 LIMIT 2 OFFSET 1" },
        { "SELECT a FROM s ORDER BY a DESC NULLS LAST LIMIT 5", ENGINE_ORDERED, NULL, NULL,
          "SELECT a FROM s ORDER BY a DESC NULLS LAST, 1 LIMIT 5" },
        { "SELECT DISTINCT a FROM s ORDER BY 1 NULLS FIRST LIMIT 5", ENGINE_ORDERED, NULL },
        { "WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c WHERE n < 9) SELECT n "
          "FROM c ORDER BY n LIMIT 3",
          ENGINE_ORDERED, NULL, NULL,
          "WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c WHERE n < 9) SELECT n "
          "FROM c ORDER BY n, 1 LIMIT 3" },
        { "SELECT t FROM n ORDER BY t", ENGINE_ORDERED, NULL, NULL,
          "SELECT t FROM n ORDER BY t, 1 COLLATE BINARY" },
        { "SELECT name, count(*) AS n FROM s GROUP BY name ORDER BY n DESC", ENGINE_ORDERED, NULL,
          NULL, "SELECT name, count(*) AS n FROM s GROUP BY name ORDER BY n DESC, 1, 2" },
        { "SELECT a FROM (SELECT a FROM s ORDER BY a) ORDER BY a", ENGINE_ORDERED, NULL, NULL,
          "SELECT a FROM (SELECT a FROM s ORDER BY a) ORDER BY a, 1" },

        /* float */
        { "SELECT a, (SELECT name FROM l) FROM s", ENGINE_FLOAT, "which is first", "SELECT" },
        { "SELECT a FROM s WHERE name = (SELECT name FROM l WHERE l.id = s.a)", ENGINE_FLOAT,
          "which is first", "SELECT" },
        { "SELECT count(*) OVER (ORDER BY a ROWS (1) PRECEDING) FROM s", ENGINE_FLOAT,
          "a ROWS frame", "ROWS" },
        { "SELECT count(*) OVER (ORDER BY a ROWS +1 PRECEDING) FROM s", ENGINE_FLOAT,
          "a ROWS frame", "ROWS" },
        { "SELECT avg(a) FROM s", ENGINE_FLOAT, "always computes with REAL", "avg" },
        { "SELECT total(a) FROM s", ENGINE_FLOAT, "always computes with REAL", "total" },
        { "SELECT sum(price) FROM s", ENGINE_FLOAT, "a sum of REAL", "sum(price)" },
        { "SELECT sum(qty) FROM l", ENGINE_FLOAT, "a sum of REAL", "sum(qty)" },
        { "SELECT price * 2 FROM s", ENGINE_FLOAT, "computes with", "price * 2" },
        { "SELECT sum(CASE WHEN a > 1 THEN price ELSE 0 END) FROM s", ENGINE_FLOAT,
          "a sum of REAL" },
        { "SELECT sum(CASE WHEN a > 1 THEN 0 ELSE CASE b WHEN 1 THEN price END END) FROM s",
          ENGINE_FLOAT, "a sum of REAL" },
        { "WITH c(n) AS (SELECT price FROM s) SELECT sum(n) FROM c", ENGINE_FLOAT,
          "a sum of REAL" },
        { "WITH c(n) AS NOT MATERIALIZED (SELECT price FROM s) SELECT sum(n) FROM c", ENGINE_FLOAT,
          "a sum of REAL" },
        { "SELECT a * 1.5 FROM s", ENGINE_FLOAT, "computes with", "a * 1.5" },
        { "SELECT 1.5", ENGINE_FLOAT, "without a type", "1.5" },
        { "SELECT name + 1 FROM s", ENGINE_FLOAT, "computes with", "name + 1" },
        { "SELECT '1.5' + 1", ENGINE_FLOAT, "computes with" },
        { "SELECT a + ? FROM s", ENGINE_FLOAT, "computes with" },
        { "SELECT CAST(a AS REAL) FROM s", ENGINE_FLOAT, "a CAST to REAL" },
        { "SELECT CAST(price AS INTEGER) FROM s", ENGINE_FLOAT, "may be REAL" },
        { "SELECT qty FROM l", ENGINE_FLOAT, "no column of a STRICT table", "qty" },
        { "SELECT x FROM l", ENGINE_FLOAT, "no column of a STRICT table", "x" },
        { "SELECT \"any\" FROM s", ENGINE_FLOAT, "no column of a STRICT table", "any" },
        { "SELECT max(price) FROM s", ENGINE_FLOAT, "may be REAL" },
        { "SELECT price || '' FROM s", ENGINE_FLOAT, "computes with" },
        { "SELECT round(a, 2) FROM s", ENGINE_FLOAT, "rounds a REAL", "round" },
        { "SELECT round(0.285, 2), round(1.005, 2)", ENGINE_FLOAT, "rounds a REAL", "round" },
        { "SELECT 0.1 + 0.2, 1.0 / 3", ENGINE_FLOAT, "computes with", "0.1 + 0.2" },
        { "SELECT CAST(1e16 AS TEXT)", ENGINE_FLOAT, "" },
        { "SELECT exp(a), ln(a), sin(a), cos(a), tan(a), atan2(a, b) FROM s", ENGINE_FLOAT,
          "mathematics library", "exp" },
        { "SELECT sqrt(a) FROM s", ENGINE_FLOAT, "mathematics library", "sqrt" },
        { "SELECT pow(a, 2) FROM s", ENGINE_FLOAT, "mathematics library" },
        { "SELECT random()", ENGINE_FLOAT, "job's seed", "random" },
        { "SELECT printf('%d', a) FROM s", ENGINE_FLOAT, "formats numbers" },
        { "SELECT julianday('now')", ENGINE_FLOAT, "gives a REAL" },
        { "SELECT row_number() OVER (ORDER BY a) FROM s", ENGINE_FLOAT,
          "equal in the window's order" },
        { "SELECT first_value(a) OVER (ORDER BY b) FROM s", ENGINE_FLOAT,
          "equal in the window's order" },
        { "SELECT json_array(price) FROM s", ENGINE_FLOAT, "reads JSON" },
        { "SELECT x + 1 FROM (SELECT price AS x FROM s)", ENGINE_FLOAT, "computes with" },
        { "SELECT * FROM vunion", ENGINE_FLOAT, "may be REAL" },
        { "SELECT DISTINCT t FROM n", ENGINE_FLOAT, "collation" },
        { "SELECT name COLLATE NOCASE, count(*) FROM s GROUP BY name COLLATE NOCASE", ENGINE_FLOAT,
          "collation" },
        { "SELECT a FROM (SELECT a FROM s ORDER BY a LIMIT 3)", ENGINE_FLOAT,
          "inner LIMIT may cut" },
        { "SELECT avg(a) FROM s ORDER BY 1", ENGINE_FLOAT, "always computes" },
        { "SELECT h FROM g", ENGINE_FLOAT, "may hold REAL" },
        { "SELECT value FROM json_each('[1]')", ENGINE_FLOAT, "reads JSON" },

        { "SELECT count(*) FROM s WHERE length(price) > 3", ENGINE_FLOAT, "text by the build's" },
        { "SELECT id FROM s WHERE price LIKE '0.3%'", ENGINE_FLOAT, "computes with",
          "price LIKE '0.3%'" },
        { "SELECT id FROM s WHERE price NOT LIKE '0.3%'", ENGINE_FLOAT, "computes with" },
        { "SELECT id FROM s WHERE price > 0.1000000000000000055", ENGINE_FLOAT,
          "may read differently" },
        { "SELECT id FROM s WHERE price > 1e-3", ENGINE_FLOAT, "may read differently" },
        { "SELECT strftime('%J', 'now')", ENGINE_FLOAT, "a format that", "'%J'" },
        { "SELECT date(price) FROM s", ENGINE_FLOAT, "reads a time out of text", "price" },

        /* times: what builds read, change and write alike is a closed list */
        { "SELECT strftime('%Y-%m', name), count(*) FROM s GROUP BY 1", ENGINE_FLOAT,
          "reads a time out of text", "name" },
        { "SELECT strftime(name, 'now') FROM s", ENGINE_FLOAT, "a format that", "name" },
        { "SELECT strftime('%Y' || '%m', 'now')", ENGINE_FLOAT, "a format that", "'%Y' || '%m'" },
        { "SELECT strftime('%f', 'now')", ENGINE_FLOAT, "a format that", "'%f'" },
        { "SELECT strftime('%e', 'now')", ENGINE_FLOAT, "a format that", "'%e'" },
        { "SELECT strftime('%G-%V', 'now')", ENGINE_FLOAT, "a format that" },
        { "SELECT strftime('%Y%', 'now')", ENGINE_FLOAT, "a format that" },
        { "SELECT \"strftime\"('%J', 'now')", ENGINE_FLOAT, "a format that" },
        { "SELECT date('2024-02-31')", ENGINE_FLOAT, "reads a time", "'2024-02-31'" },
        { "SELECT time('24:00:00')", ENGINE_FLOAT, "reads a time" },
        { "SELECT datetime('2024-01-01 23:59:59.9996')", ENGINE_FLOAT, "reads a time" },
        { "SELECT date('subsec')", ENGINE_FLOAT, "reads a time", "'subsec'" },
        { "SELECT unixepoch('now', 'subsec')", ENGINE_FLOAT, "a modifier that", "'subsec'" },
        { "SELECT date('now', 'floor')", ENGINE_FLOAT, "a modifier that" },
        { "SELECT date('now', '+1.5 days')", ENGINE_FLOAT, "a modifier that" },
        { "SELECT date('now', '+9999999 days')", ENGINE_FLOAT, "a modifier that" },
        { "SELECT date('now', '+0001-01-01')", ENGINE_FLOAT, "a modifier that" },
        { "SELECT date('now', a || ' days') FROM s", ENGINE_FLOAT, "a modifier that" },
        { "SELECT date(a, 'auto') FROM s", ENGINE_FLOAT, "a modifier that", "'auto'" },
        { "SELECT date(a) FROM s", ENGINE_FLOAT, "reads a time", "a" },
        { "SELECT date(name, 'unixepoch') FROM s", ENGINE_FLOAT, "reads a time", "name" },
        { "SELECT date(x, 'unixepoch') FROM (SELECT name AS x FROM s)", ENGINE_FLOAT,
          "reads a time", "x" },
        { "SELECT date(?)", ENGINE_FLOAT, "reads a time" },

        /* integers that become REAL */
        { "SELECT 9223372036854775808", ENGINE_FLOAT, "may read differently" },
        { "SELECT id FROM s WHERE a < 9223372036854775808", ENGINE_FLOAT, "may read differently",
          "9223372036854775808" },
        { "SELECT 18446744073709551616 % 3", ENGINE_FLOAT, "computes with" },
        { "SELECT a * b || '' FROM s", ENGINE_FLOAT, "computes with", "a * b || ''" },
        { "SELECT (a * b) || 'x' FROM s", ENGINE_FLOAT, "integers that overflow",
          "(a * b) || 'x'" },
        { "SELECT CAST(a + b AS TEXT) FROM s", ENGINE_FLOAT, "integers that overflow" },
        { "SELECT length(a * 3) FROM s", ENGINE_FLOAT, "integers that overflow", "length(a * 3)" },
        { "SELECT quote(-a), hex(a - b) FROM s", ENGINE_FLOAT, "integers that overflow" },
        { "SELECT id FROM s WHERE a + b LIKE '1%'", ENGINE_FLOAT, "integers that overflow" },
        { "SELECT 'n' || n FROM (SELECT a + 1 AS n FROM s)", ENGINE_FLOAT,
          "integers that overflow" },
        { "SELECT 'n' || n FROM (SELECT a + 1 n FROM s)", ENGINE_FLOAT, "integers that overflow" },
        { "WITH c(n) AS (SELECT a + 1 FROM s) SELECT upper(n) FROM c", ENGINE_FLOAT,
          "integers that overflow" },
        { "SELECT upper(m) FROM vsum", ENGINE_FLOAT, "integers that overflow" },
        { "SELECT substr('abc', a) FROM s", ENGINE_FLOAT, "beyond 31 bits", "a" },
        { "SELECT substr(name, 1, 4294967297) FROM s", ENGINE_FLOAT, "beyond 31 bits" },
        { "SELECT substring(name, length(name) * 9) FROM s", ENGINE_FLOAT, "beyond 31 bits" },

        /* REAL under another name, in other words */
        { "SELECT \"sum\"(price) FROM s", ENGINE_FLOAT, "a sum of REAL" },
        { "SELECT s.'price' || '' FROM s", ENGINE_FLOAT, "computes with" },
        { "SELECT id, price AS p FROM s WHERE length(p) > 3", ENGINE_FLOAT, "text by the build's",
          "length(p)" },
        { "SELECT id, price p FROM s WHERE p || '' = '1'", ENGINE_FLOAT, "computes with" },
        { "SELECT count(*) FROM s WHERE price || ('x') = '0.3x'", ENGINE_FLOAT, "computes with" },
        { "SELECT id FROM s WHERE price LIKE ('0.3%')", ENGINE_FLOAT, "computes with" },
        { "SELECT id FROM s WHERE CASE WHEN a > 1 THEN price ELSE 1 END || '' = '1'", ENGINE_FLOAT,
          "computes with" },
        { "SELECT id FROM s WHERE '' || CASE a WHEN 1 THEN price END = '1'", ENGINE_FLOAT,
          "computes with" },
        { "SELECT id FROM s WHERE price COLLATE NOCASE || '' = '1'", ENGINE_FLOAT,
          "computes with" },
        { "SELECT -name FROM s", ENGINE_FLOAT, "computes with", "-name" },
        { "SELECT name | 1, '3.5' << 1 FROM s", ENGINE_FLOAT, "computes with", "name | 1" },
        { "SELECT current_date - 1", ENGINE_FLOAT, "computes with" },
        { "SELECT x + 1 FROM (SELECT name AS x FROM s)", ENGINE_FLOAT, "computes with" },
        { "SELECT a + 1 FROM (SELECT name AS a FROM s)", ENGINE_FLOAT, "computes with" },
        { "WITH c(x) AS (SELECT name FROM s) SELECT sum(x) FROM c", ENGINE_FLOAT, "a sum of" },
        { "SELECT sum(nn) FROM vtext", ENGINE_FLOAT, "a sum of" },
        { "SELECT p || 'x' FROM vreal", ENGINE_FLOAT, "computes with" },
        { "SELECT p FROM vreal", ENGINE_FLOAT, "may be REAL" },
        { "SELECT CAST(name AS NUMERIC) FROM s", ENGINE_FLOAT, "a CAST of" },
        { "SELECT CAST('0.1' AS DECIMAL(10,2))", ENGINE_FLOAT, "a CAST of" },
        { "SELECT (SELECT max(price) FROM s) || ''", ENGINE_FLOAT, "computes with" },
        { "SELECT upper(x) FROM (SELECT * FROM (SELECT price AS x FROM s))", ENGINE_FLOAT,
          "text by the build's" },
        { "VALUES (1.5)", ENGINE_FLOAT, "may be REAL" },
        { "SELECT ?", ENGINE_FLOAT, "may be REAL" },
        { "SELECT hex(price), quote(price), typeof(price || '') FROM s", ENGINE_FLOAT,
          "text by the build's" },
        { "SELECT count(*) FROM s GROUP BY upper(price)", ENGINE_FLOAT, "text by the build's" },
        { "SELECT sum(price) OVER (ORDER BY id) FROM s", ENGINE_FLOAT, "a sum of REAL" },
        { "SELECT sum(x) FROM l", ENGINE_FLOAT, "a sum of REAL" },

        /* numbers beside text */
        { "SELECT id FROM s WHERE a = name", ENGINE_FLOAT, "compares a number with text",
          "a = name" },
        { "SELECT id FROM s WHERE name < price", ENGINE_FLOAT, "compares a number with text" },
        { "SELECT id FROM s WHERE name IN (SELECT a FROM s)", ENGINE_FLOAT,
          "compares a number with text" },
        { "SELECT id FROM s WHERE price = '0.10000000000000000555'", ENGINE_FLOAT,
          "compares a number with text" },
        { "SELECT id FROM s WHERE price BETWEEN '0' AND '1e-1'", ENGINE_FLOAT,
          "compares a number with text" },
        { "SELECT id FROM s WHERE upper(name) = a", ENGINE_FLOAT, "compares a number with text" },
        { "SELECT s.id FROM s JOIN w USING (name)", ENGINE_FLOAT, "compares a number with text",
          "name" },
        { "SELECT count(*) FROM s NATURAL JOIN w", ENGINE_FLOAT, "columns that are not named",
          "NATURAL" },

        /* builds, not data */
        { "SELECT id FROM l WHERE name LIKE 'a%'", ENGINE_FLOAT, "may be a BLOB",
          "name LIKE 'a%'" },
        { "SELECT id FROM s WHERE raw GLOB 'a*'", ENGINE_FLOAT, "may be a BLOB" },
        { "SELECT like('a%', raw) FROM s", ENGINE_FLOAT, "may be a BLOB", "like('a%', raw)" },
        { "SELECT id FROM l WHERE CAST(name AS TEXT) LIKE 'a%'", ENGINE_EXACT, NULL },
        { "SELECT name IN ('A' COLLATE NOCASE) FROM s", ENGINE_FLOAT, "a collation inside IN",
          "COLLATE NOCASE" },
        { "SELECT _rowid_ FROM (SELECT a FROM s)", ENGINE_FLOAT, "a rowid", "_rowid_" },
        { "SELECT json(name) FROM s", ENGINE_FLOAT, "reads JSON", "json" },
        { "SELECT name -> '$.a' FROM s", ENGINE_FLOAT, "reads JSON", "->" },
        { "SELECT name ->> 0 FROM s", ENGINE_FLOAT, "reads JSON", "->>" },
        { "SELECT json_valid('{a:1}'), json_extract(name, '$[-1]') FROM s", ENGINE_FLOAT,
          "reads JSON", "json_valid" },
        { "SELECT key FROM json_each('[1]')", ENGINE_FLOAT, "reads JSON", "json_each" },
        { "SELECT count(*) FROM s, json_tree(name)", ENGINE_FLOAT, "reads JSON", "json_tree" },
        { "SELECT json_quote(name) FROM s", ENGINE_FLOAT, "reads JSON" },
        { "SELECT format('%g', a), printf('%f', a) FROM s", ENGINE_FLOAT, "formats numbers" },
        { "SELECT randomblob(4)", ENGINE_FLOAT, "job's seed" },
        { "SELECT pi(), ceil(a), trunc(a), mod(a, 2), degrees(a) FROM s", ENGINE_FLOAT,
          "mathematics library" },
        { "SELECT percent_rank() OVER (ORDER BY a) FROM s", ENGINE_FLOAT,
          "always computes with REAL" },
        { "SELECT ntile(3) OVER (ORDER BY a), lag(a) OVER (ORDER BY b) FROM s", ENGINE_FLOAT,
          "equal in the window's order" },
        { "SELECT t FROM n UNION SELECT name FROM s", ENGINE_FLOAT, "collation" },
        { "SELECT max(t) FROM n", ENGINE_FLOAT, "collation" },
        { "SELECT name COLLATE RTRIM, count(*) FROM s GROUP BY 1", ENGINE_FLOAT, "collation" },

        { "SELECT sum(a) OVER (ORDER BY b ROWS 1 PRECEDING) FROM s", ENGINE_FLOAT, "a ROWS frame" },
        { "SELECT sum(a) OVER w FROM s WINDOW w AS (ORDER BY b ROWS BETWEEN 1 PRECEDING AND "
          "CURRENT ROW)",
          ENGINE_FLOAT, "a ROWS frame" },

        /* refused */
        { "SELECT a FROM s LIMIT 3", ENGINE_REFUSED, "LIMIT without ORDER BY", "LIMIT" },
        { "SELECT a FROM (SELECT a FROM s ORDER BY a) LIMIT 3", ENGINE_REFUSED,
          "LIMIT without ORDER BY" },
        { "SELECT a FROM (SELECT a FROM s LIMIT 3)", ENGINE_REFUSED, "an inner LIMIT without" },
        { "SELECT (SELECT a FROM s LIMIT 1)", ENGINE_REFUSED, "an inner LIMIT without" },
        { "SELECT id FROM vlimit", ENGINE_REFUSED, "a LIMIT inside a view" },
        { "SELECT group_concat(name) FROM s", ENGINE_REFUSED, "an order that cannot be given" },
        { "SELECT json_group_array(a) FROM s", ENGINE_REFUSED, "an order that cannot be given" },
        { "SELECT name, a, count(*) FROM s GROUP BY name", ENGINE_REFUSED, STARTS, "a" },
        { "SELECT name, max(a) FROM s", ENGINE_REFUSED, STARTS, "name" },
        { "SELECT *, count(*) FROM s", ENGINE_REFUSED, STARTS, "*" },
        { "SELECT count(*) FROM s GROUP BY name HAVING a > 1", ENGINE_REFUSED, STARTS, "a" },
        { "SELECT name, count(*) FROM s GROUP BY name ORDER BY a", ENGINE_REFUSED, STARTS, "a" },
        { "SELECT a, (SELECT s.b) FROM s GROUP BY a", ENGINE_REFUSED, STARTS, "s" },
        { "SELECT total_changes(), last_insert_rowid()", ENGINE_REFUSED, "about the connection" },
        { "SELECT sqlite_compileoption_used('ENABLE_ICU'), sqlite_source_id()", ENGINE_REFUSED,
          "about the host" },
        { "SELECT subtype(name) FROM s", ENGINE_REFUSED, "inner state" },
        { "SELECT group_concat(name, ',') OVER (ORDER BY a) FROM s", ENGINE_REFUSED,
          "an order that cannot be given" },
        { "SELECT json_group_object(name, a) FROM s", ENGINE_REFUSED,
          "an order that cannot be given" },
        { "WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c LIMIT 5) SELECT n FROM "
          "c",
          ENGINE_REFUSED, "an inner LIMIT without" },
        { "SELECT a, max(b), min(b) FROM s", ENGINE_REFUSED, STARTS, "a" },
        { "SELECT changes()", ENGINE_REFUSED, "about the connection" },
        { "SELECT sqlite_version()", ENGINE_REFUSED, "about the host" },
        { "SELECT name FROM sqlite_schema", ENGINE_REFUSED, "about the file" },
        { "SELECT count(*) FROM (SELECT name, max(a) FROM s)", ENGINE_REFUSED, STARTS },
};

static void test_classes(void **state) {
        assert_decisions(creates, cases, ELEMENTSOF(cases));
}

/* What engines answer differently is not compared between them, and it is said why. */
static void test_differences(void **state) {
        struct fixture f = {};
        size_t n_wrong = 0;

        fixture_open(&f);
        FOREACH_CASE (c, differences) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};
                bool is_read = engine_sqlite.analyse(f.session, BYTES_STR(c->sql), false, &a, &p) ==
                               ENGINE_OK;
                const char *why = is_read ? a.not_portable : p.detail;

                if (why && strstr(why, c->sqlite))
                        continue;
                n_wrong++;
                print_message("# %s: %s\n", c->sql, why ? why : "portable");
        }
        assert_int_equal(n_wrong, 0);
        fixture_done(&f);
}

/* What was dispatched analyses to the same class again, and is not rewritten again. */
static void test_rewrite_is_stable(void **state) {
        struct fixture f = {};

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        FOREACH_CASE (c, cases) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {}, b = {};
                struct engine_problem p = {};

                assert_int_equal(engine_sqlite.analyse(f.session, BYTES_STR(c->sql), false, &a, &p),
                                 ENGINE_OK);
                assert_int_equal(
                        engine_sqlite.analyse(f.session, BYTES_STR(a.rewrite), true, &b, &p),
                        ENGINE_OK);
                assert_string_equal(a.rewrite, b.rewrite);
                assert_int_equal(a.class, b.class);
                assert_int_equal(a.is_ordered, b.is_ordered);
                assert_bytes_equal(buffer_bytes(&a.schema), buffer_bytes(&b.schema));
        }
        fixture_done(&f);
}

static void test_no_rewrite(void **state) {
        static const struct {
                const char *sql;
                enum engine_class class;
                bool is_ordered;
        } asked[] = {
                { "SELECT a, name FROM s ORDER BY a", ENGINE_EXACT, false },
                { "SELECT a, name FROM s ORDER BY a LIMIT 3", ENGINE_REFUSED, false },
                { "SELECT a, name FROM s ORDER BY a, 1, 2 LIMIT 3", ENGINE_ORDERED, true },
        };
        struct fixture f = {};

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};

                assert_int_equal(engine_sqlite.analyse(f.session, BYTES_STR(c->sql), true, &a, &p),
                                 ENGINE_OK);
                assert_int_equal(a.class, c->class);
                assert_int_equal(a.is_ordered, c->is_ordered);
                assert_string_equal(a.rewrite, c->sql);
        }
        fixture_done(&f);
}

static void test_types(void **state) {
        static const struct {
                const char *sql;
                enum cell_type types[4];
        } asked[] = {
                { "SELECT id, name, price, raw FROM s",
                  { CELL_INTEGER, CELL_TEXT, CELL_REAL, CELL_BLOB } },
                { "SELECT id, name FROM l", { CELL_ANY, CELL_ANY } },
                { "SELECT a + 1, CAST(a + 1 AS INTEGER) x FROM s", { CELL_ANY, CELL_INTEGER } },
                { "SELECT CAST(s.a AS TEXT), v.* FROM s JOIN v USING (id)",
                  { CELL_TEXT, CELL_INTEGER, CELL_INTEGER } },
                { "SELECT v.*, CAST(s.a AS TEXT) AS t FROM s JOIN v USING (id)",
                  { CELL_INTEGER, CELL_INTEGER, CELL_TEXT } },
                { "SELECT a FROM s UNION ALL SELECT price FROM s", { CELL_ANY } },
                { "SELECT CAST(a AS TEXT) FROM s UNION ALL SELECT price FROM s", { CELL_ANY } },
                { "SELECT a FROM vunion", { CELL_ANY } },
                { "SELECT CAST(a AS TEXT) || 'x', (CAST(a AS TEXT)) FROM s",
                  { CELL_ANY, CELL_ANY } },
                { "SELECT CAST(a AS NUMERIC) FROM s", { CELL_ANY } },
                { "SELECT \"any\" FROM s", { CELL_ANY } },
                { "SELECT q FROM (SELECT a AS q FROM s)", { CELL_INTEGER } },
                { "SELECT max(a) FROM s", { CELL_ANY } },
        };
        struct fixture f = {};

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                CLEANUP(schema_freep) struct schema *schema = NULL;
                struct engine_problem p = {};

                print_message("# %s\n", c->sql);
                assert_int_equal(engine_sqlite.analyse(f.session, BYTES_STR(c->sql), false, &a, &p),
                                 ENGINE_OK);
                assert_int_equal(schema_decode(buffer_bytes(&a.schema), &schema), SCHEMA_OK);
                for (size_t i = 0; i < schema->n_columns; i++)
                        assert_int_equal(schema->columns[i]->type, c->types[i]);
        }
        fixture_done(&f);
}

static void test_errors(void **state) {
        static const struct {
                const char *sql;
                uint32_t outcome, sql_error;
                int32_t position;
        } asked[] = {
                { "SELEC 1", OUTCOME_SQL_ERROR, SQL_PARSE, 0 },
                { "SELECT 1 FROM", OUTCOME_SQL_ERROR, SQL_PARSE, 13 },
                { "SELECT a, FROM s", OUTCOME_SQL_ERROR, SQL_PARSE, 10 },
                { "SELECT nothere FROM s", OUTCOME_SQL_ERROR, SQL_UNKNOWN_NAME, 7 },
                { "SELECT a FROM nothere", OUTCOME_SQL_ERROR, SQL_UNKNOWN_NAME, 14 },
                { "SELECT nofunction(a) FROM s", OUTCOME_SQL_ERROR, SQL_UNKNOWN_NAME, 7 },
                { "SELECT length(1, 2)", OUTCOME_SQL_ERROR, SQL_TYPE, 7 },
                { "SELECT \"nothere\" FROM s", OUTCOME_SQL_ERROR, SQL_UNKNOWN_NAME, 7 },
        };
        struct fixture f = {};

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};

                assert_int_equal(engine_sqlite.analyse(f.session, BYTES_STR(c->sql), false, &a, &p),
                                 ENGINE_E_SQL);
                print_message("# %s -> %s %u at %d\n", c->sql, p.text, p.sql_error, p.position);
                assert_int_equal(p.outcome, c->outcome);
                assert_int_equal(p.sql_error, c->sql_error);
                assert_int_equal(p.position, c->position);
        }
        fixture_done(&f);
}

/* Whoever shows one reason shows the one that decides, however many others stand before it. */
static void test_deciding_first(void **state) {
        static const char first[] = "SELECT ", last[] = "group_concat(name) FROM s";
        struct fixture f = {};
        char sql[1024];

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        for (unsigned others = 0; others <= 2 * ENGINE_FINDINGS_MAX; others++) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};
                size_t n = (size_t) snprintf(sql, sizeof(sql), "%s", first);

                for (unsigned i = 0; i < others; i++)
                        n += (size_t) snprintf(sql + n, sizeof(sql) - n, "pi(), ");
                (void) snprintf(sql + n, sizeof(sql) - n, "%s", last);
                assert_int_equal(engine_sqlite.analyse(f.session, BYTES_STR(sql), false, &a, &p),
                                 ENGINE_OK);
                assert_int_equal(a.class, ENGINE_REFUSED);
                assert_string_equal(a.findings[0].expression, "group_concat");
                assert_int_equal(a.findings[0].position, n);
                assert_int_equal(a.n_deciding, 1);
                assert_true(a.n_findings <= ENGINE_FINDINGS_MAX);
        }
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_classes), cmocka_unit_test(test_deciding_first),
          cmocka_unit_test(test_rewrite_is_stable), cmocka_unit_test(test_no_rewrite),
          cmocka_unit_test(test_types), cmocka_unit_test(test_differences),
          cmocka_unit_test(test_errors))
