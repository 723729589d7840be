-- The questions of TPC-H (2.4, with the validation parameters) that SQLite and DuckDB answer alike, for one text and one
-- dataset go to hosts of both: tables of nothing but integers and texts. Money is cents, percentages are hundredths,
-- a date is 19940101. Without the twelve that need avg() or a division (1, 8, 14, 17, 22), LIKE with more than one text
-- between its wildcards or at the end of a value (2, 13, 16), or a sum() inside something else (11, 15, 18, 20).
-- LIKE '%green%' is replace(); a year is a CASE; EXISTS is IN (4) or the first and the last supplier (21), for there are
-- no indexes; orders name all columns, and where NULL goes.
-- Headings: as in the other files.
-- Q3 ORDERED ORDERED
SELECT l_orderkey, sum(l_extendedprice * (100 - l_discount)) AS revenue, o_orderdate, o_shippriority
FROM customer, orders, lineitem
WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
  AND o_orderdate < 19950315 AND l_shipdate > 19950315
GROUP BY l_orderkey, o_orderdate, o_shippriority
ORDER BY 2 DESC NULLS LAST, 3 NULLS FIRST, 1 NULLS FIRST, 4 NULLS FIRST LIMIT 10;
-- Q4 ORDERED ORDERED
SELECT o_orderpriority, count(*) AS order_count FROM orders
WHERE o_orderdate >= 19930701 AND o_orderdate < 19931001
  AND o_orderkey IN (SELECT l_orderkey FROM lineitem WHERE l_commitdate < l_receiptdate)
GROUP BY o_orderpriority ORDER BY 1 NULLS FIRST, 2 NULLS FIRST;
-- Q5 ORDERED ORDERED
SELECT n_name, sum(l_extendedprice * (100 - l_discount)) AS revenue
FROM customer, orders, lineitem, supplier, nation, region
WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey AND c_nationkey = s_nationkey
  AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'ASIA'
  AND o_orderdate >= 19940101 AND o_orderdate < 19950101
GROUP BY n_name ORDER BY 2 DESC NULLS LAST, 1 NULLS FIRST;
-- Q6 EXACT EXACT
SELECT sum(l_extendedprice * l_discount) AS revenue FROM lineitem
WHERE l_shipdate >= 19940101 AND l_shipdate < 19950101 AND l_discount BETWEEN 5 AND 7 AND l_quantity < 24;
-- Q7 ORDERED ORDERED
SELECT supp_nation, cust_nation, l_year, sum(volume) AS revenue
FROM (SELECT n1.n_name AS supp_nation, n2.n_name AS cust_nation,
             CASE WHEN l_shipdate < 19960101 THEN 1995 ELSE 1996 END AS l_year,
             l_extendedprice * (100 - l_discount) AS volume
      FROM supplier, lineitem, orders, customer, nation AS n1, nation AS n2
      WHERE s_suppkey = l_suppkey AND o_orderkey = l_orderkey AND c_custkey = o_custkey
        AND s_nationkey = n1.n_nationkey AND c_nationkey = n2.n_nationkey
        AND ((n1.n_name = 'FRANCE' AND n2.n_name = 'GERMANY') OR (n1.n_name = 'GERMANY' AND n2.n_name = 'FRANCE'))
        AND l_shipdate BETWEEN 19950101 AND 19961231) AS shipping
GROUP BY supp_nation, cust_nation, l_year ORDER BY 1 NULLS FIRST, 2 NULLS FIRST, 3 NULLS FIRST, 4 NULLS FIRST;
-- Q9 ORDERED ORDERED
SELECT nation, o_year, sum(amount) AS sum_profit
FROM (SELECT n_name AS nation,
             CASE WHEN o_orderdate < 19930101 THEN 1992 WHEN o_orderdate < 19940101 THEN 1993
                  WHEN o_orderdate < 19950101 THEN 1994 WHEN o_orderdate < 19960101 THEN 1995
                  WHEN o_orderdate < 19970101 THEN 1996 WHEN o_orderdate < 19980101 THEN 1997 ELSE 1998 END AS o_year,
             l_extendedprice * (100 - l_discount) - 100 * ps_supplycost * l_quantity AS amount
      FROM part, supplier, lineitem, partsupp, orders, nation
      WHERE s_suppkey = l_suppkey AND ps_suppkey = l_suppkey AND ps_partkey = l_partkey AND p_partkey = l_partkey
        AND o_orderkey = l_orderkey AND s_nationkey = n_nationkey AND replace(p_name, 'green', '') <> p_name) AS profit
GROUP BY nation, o_year ORDER BY 1 NULLS FIRST, 2 DESC NULLS LAST, 3 NULLS FIRST;
-- Q10 ORDERED ORDERED
SELECT c_custkey, c_name, sum(l_extendedprice * (100 - l_discount)) AS revenue, c_acctbal, n_name, c_address,
       c_phone, c_comment
FROM customer, orders, lineitem, nation
WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND o_orderdate >= 19931001
  AND o_orderdate < 19940101 AND l_returnflag = 'R' AND c_nationkey = n_nationkey
GROUP BY c_custkey, c_name, c_acctbal, c_phone, n_name, c_address, c_comment
ORDER BY 3 DESC NULLS LAST, 1 NULLS FIRST, 2 NULLS FIRST, 4 NULLS FIRST, 5 NULLS FIRST, 6 NULLS FIRST, 7 NULLS FIRST,
         8 NULLS FIRST LIMIT 20;
-- Q12 ORDERED ORDERED
SELECT l_shipmode,
       sum(CASE WHEN o_orderpriority = '1-URGENT' OR o_orderpriority = '2-HIGH' THEN 1 ELSE 0 END) AS high_line_count,
       sum(CASE WHEN o_orderpriority <> '1-URGENT' AND o_orderpriority <> '2-HIGH' THEN 1 ELSE 0 END) AS low_line_count
FROM orders, lineitem
WHERE o_orderkey = l_orderkey AND l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate
  AND l_shipdate < l_commitdate AND l_receiptdate >= 19940101 AND l_receiptdate < 19950101
GROUP BY l_shipmode ORDER BY 1 NULLS FIRST, 2 NULLS FIRST, 3 NULLS FIRST;
-- Q19 EXACT EXACT
SELECT sum(l_extendedprice * (100 - l_discount)) AS revenue FROM lineitem, part
WHERE p_partkey = l_partkey AND l_shipmode IN ('AIR', 'REG AIR') AND l_shipinstruct = 'DELIVER IN PERSON'
  AND ((p_brand = 'Brand#12' AND p_container IN ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG')
        AND l_quantity BETWEEN 1 AND 11 AND p_size BETWEEN 1 AND 5)
    OR (p_brand = 'Brand#23' AND p_container IN ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK')
        AND l_quantity BETWEEN 10 AND 20 AND p_size BETWEEN 1 AND 10)
    OR (p_brand = 'Brand#34' AND p_container IN ('LG CASE', 'LG BOX', 'LG PACK', 'LG PKG')
        AND l_quantity BETWEEN 20 AND 30 AND p_size BETWEEN 1 AND 15));
-- Q21 ORDERED ORDERED
SELECT s_name, count(*) AS numwait
FROM supplier, lineitem, orders, nation,
     (SELECT l_orderkey AS of_all, min(l_suppkey) AS first_of_all, max(l_suppkey) AS last_of_all
      FROM lineitem GROUP BY l_orderkey) AS suppliers,
     (SELECT l_orderkey AS of_late, min(l_suppkey) AS first_late, max(l_suppkey) AS last_late
      FROM lineitem WHERE l_receiptdate > l_commitdate GROUP BY l_orderkey) AS late
WHERE s_suppkey = l_suppkey AND o_orderkey = l_orderkey AND o_orderstatus = 'F' AND l_receiptdate > l_commitdate
  AND of_all = o_orderkey AND first_of_all <> last_of_all AND of_late = o_orderkey AND first_late = last_late
  AND s_nationkey = n_nationkey AND n_name = 'SAUDI ARABIA'
GROUP BY s_name ORDER BY 2 DESC NULLS LAST, 1 NULLS FIRST LIMIT 100;
