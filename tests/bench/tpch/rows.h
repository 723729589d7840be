#pragma once

/* A deterministic generator in the shape of TPC-H (TPC Benchmark H, revision 3, section 4.2): eight
 * tables, their columns, keys and selectivities near the standard's, contents from a hash of
 * (table, row, column), so that every row can be made alone and the same scale gives the same bytes
 * everywhere. No dbgen: its text grammar and its random streams are not reproduced, and figures are
 * not comparable with published ones. */

#include <stdint.h>

enum tpch_table {
        TPCH_REGION,
        TPCH_NATION,
        TPCH_SUPPLIER,
        TPCH_CUSTOMER,
        TPCH_PART,
        TPCH_PARTSUPP,
        TPCH_ORDERS,
        TPCH_LINEITEM,
        _TPCH_TABLES,
};

enum tpch_type {
        TPCH_INTEGER,
        TPCH_MONEY, /* cents */
        TPCH_DATE,  /* days since 1970-01-01 */
        TPCH_TEXT,
};

struct tpch_column {
        const char *name;
        enum tpch_type type;
};

struct tpch_shape {
        const char *name;
        const struct tpch_column *columns;
        unsigned n_columns;
};
extern const struct tpch_shape tpch_shapes[_TPCH_TABLES];

/* One value; which member counts is the column's type. */
struct tpch_value {
        int64_t integer;
        char text[128];
};

/* Calls fn once a row, in the order of the primary key; the values are valid during the call. fn
 * returns 0, or what the walk then ends with. `scale` 1: 6 million lines; at least 0.01, below
 * which a part could not have four suppliers. */
typedef int (*tpch_row_fn)(void *userdata, const struct tpch_value *row);
int tpch_rows(enum tpch_table table, double scale, tpch_row_fn fn, void *userdata);

/* "1996-03-13"; returns ret. */
char *tpch_date_text(int64_t days, char ret[11]);
