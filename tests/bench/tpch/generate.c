/* tpch_generate --scale S csv DIR | parquet DIR | cents DIR | sqlite FILE
 * Tables in the shape of TPC-H. CSV: one file a table, money with two decimals, percentages as
 * fractions of one, as the standard has them. SQLite: STRICT tables, money and percentages as
 * integer cents, dates as ISO text. Cents: CSV of nothing but integers and texts, which every
 * engine reads alike: cents, and a date is 19960313. */

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "tests/bench/tpch/parquet.h"
#include "tests/bench/tpch/rows.h"

static const char usage[] =
        "usage: tpch_generate --scale S (csv DIR | parquet DIR | cents DIR | sqlite FILE)\n";

struct out {
        const struct tpch_shape *shape;
        FILE *csv;
        bool has_cents;
        sqlite3_stmt *insert;
};

/* ---- CSV ---- */

static void write_money(const struct out *o, int64_t v) {
        int64_t cents = v < 0 ? -v : v;

        if (o->has_cents)
                (void) fprintf(o->csv, "%lld", (long long) v);
        else
                (void) fprintf(o->csv, "%s%lld.%02d", v < 0 ? "-" : "", (long long) cents / 100,
                               (int) (cents % 100));
}

static void write_date(const struct out *o, int64_t days) {
        char date[11];

        (void) tpch_date_text(days, date);
        if (o->has_cents)
                (void) fprintf(o->csv, "%.4s%.2s%s", date, date + 5, date + 8);
        else
                (void) fputs(date, o->csv);
}

static int write_csv_row(void *userdata, const struct tpch_value *row) {
        struct out *o = userdata;

        for (unsigned i = 0; i < o->shape->n_columns; i++) {
                int64_t v = row[i].integer;

                if (i > 0)
                        (void) fputc(',', o->csv);
                switch (o->shape->columns[i].type) {
                case TPCH_INTEGER:
                        (void) fprintf(o->csv, "%lld", (long long) v);
                        break;
                case TPCH_MONEY:
                        write_money(o, v);
                        break;
                case TPCH_DATE:
                        write_date(o, v);
                        break;
                case TPCH_TEXT: /* an address alone has commas; none has quotes */
                        (void) fprintf(o->csv, strchr(row[i].text, ',') ? "\"%s\"" : "%s",
                                       row[i].text);
                        break;
                }
        }
        return fputc('\n', o->csv) == EOF ? -EIO : 0;
}

static int write_tables(const char *directory, double scale, bool has_cents) {
        for (unsigned t = 0; t < _TPCH_TABLES; t++) {
                struct out o = { .shape = &tpch_shapes[t], .has_cents = has_cents };
                char path[4096];
                int r;

                (void) snprintf(path, sizeof(path), "%s/%s.csv", directory, o.shape->name);
                o.csv = fopen(path, "w");
                if (!o.csv)
                        return -errno;
                for (unsigned i = 0; i < o.shape->n_columns; i++)
                        (void) fprintf(o.csv, "%s%s", i ? "," : "", o.shape->columns[i].name);
                (void) fputc('\n', o.csv);
                r = tpch_rows((enum tpch_table) t, scale, write_csv_row, &o);
                if (fclose(o.csv) != 0 && r == 0)
                        r = -errno;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int write_csv(const char *directory, double scale) {
        return write_tables(directory, scale, false);
}

static int write_cents(const char *directory, double scale) {
        return write_tables(directory, scale, true);
}

static int write_parquet(const char *directory, double scale) {
        int r = write_csv(directory, scale);

        return r < 0 ? r : tpch_write_parquet(directory);
}

/* ---- SQLite ---- */

static int insert_row(void *userdata, const struct tpch_value *row) {
        struct out *o = userdata;
        char date[11];

        for (unsigned i = 0; i < o->shape->n_columns; i++) {
                const char *text = o->shape->columns[i].type == TPCH_DATE
                                           ? tpch_date_text(row[i].integer, date)
                                           : row[i].text;

                if (o->shape->columns[i].type <= TPCH_MONEY)
                        (void) sqlite3_bind_int64(o->insert, (int) i + 1, row[i].integer);
                else
                        (void) sqlite3_bind_text(o->insert, (int) i + 1, text, -1,
                                                 SQLITE_TRANSIENT);
        }
        if (sqlite3_step(o->insert) != SQLITE_DONE)
                return -EIO;
        return sqlite3_reset(o->insert) == SQLITE_OK ? 0 : -EIO;
}

static int create(sqlite3 *db, struct out *o) {
        char sql[2048], marks[64] = "";
        size_t n = (size_t) snprintf(sql, sizeof(sql), "CREATE TABLE %s(", o->shape->name);
        int rc;

        for (unsigned i = 0; i < o->shape->n_columns; i++) {
                n += (size_t) snprintf(sql + n, sizeof(sql) - n, "%s%s %s NOT NULL", i ? ", " : "",
                                       o->shape->columns[i].name,
                                       o->shape->columns[i].type <= TPCH_MONEY ? "INTEGER"
                                                                               : "TEXT");
                (void) strcat(marks, i ? ",?" : "?");
        }
        (void) snprintf(sql + n, sizeof(sql) - n, ") STRICT");
        rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
        (void) snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES(%s)", o->shape->name, marks);
        return rc == SQLITE_OK ? sqlite3_prepare_v2(db, sql, -1, &o->insert, NULL) : rc;
}

/* The primary keys, and what the joins of the 22 queries look for. */
static const char indexes[] =
        "CREATE UNIQUE INDEX part_key ON part(p_partkey);"
        "CREATE UNIQUE INDEX supplier_key ON supplier(s_suppkey);"
        "CREATE UNIQUE INDEX customer_key ON customer(c_custkey);"
        "CREATE UNIQUE INDEX orders_key ON orders(o_orderkey);"
        "CREATE UNIQUE INDEX partsupp_key ON partsupp(ps_partkey, ps_suppkey);"
        "CREATE UNIQUE INDEX lineitem_key ON lineitem(l_orderkey, l_linenumber);"
        "CREATE INDEX lineitem_part ON lineitem(l_partkey, l_suppkey);"
        "CREATE INDEX orders_customer ON orders(o_custkey);"
        "COMMIT; ANALYZE;";

static int write_sqlite(const char *path, double scale) {
        sqlite3 *db = NULL;
        int r = 0;

        if (remove(path) < 0 && errno != ENOENT)
                return -errno;
        if (sqlite3_open(path, &db) != SQLITE_OK ||
            sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
                r = -EIO;
        for (unsigned t = 0; r == 0 && t < _TPCH_TABLES; t++) {
                struct out o = { .shape = &tpch_shapes[t] };

                r = create(db, &o) == SQLITE_OK
                            ? tpch_rows((enum tpch_table) t, scale, insert_row, &o)
                            : -EIO;
                (void) sqlite3_finalize(o.insert);
        }
        if (r == 0 && sqlite3_exec(db, indexes, NULL, NULL, NULL) != SQLITE_OK)
                r = -EIO;
        if (r < 0)
                (void) fprintf(stderr, "tpch_generate: %s\n", sqlite3_errmsg(db));
        (void) sqlite3_close(db);
        return r;
}

static const struct {
        const char *name;
        int (*write)(const char *path, double scale);
} forms[] = { { "csv", write_csv },
              { "parquet", write_parquet },
              { "cents", write_cents },
              { "sqlite", write_sqlite } };

int main(int argc, char **argv) {
        double scale = argc == 5 && strcmp(argv[1], "--scale") == 0 ? strtod(argv[2], NULL) : 0;

        for (size_t i = 0; scale >= 0.01 && scale <= 100 && i < ELEMENTSOF(forms); i++) {
                int r;

                if (strcmp(argv[3], forms[i].name) != 0)
                        continue;
                r = forms[i].write(argv[4], scale);
                if (r < 0)
                        (void) fprintf(stderr, "tpch_generate: %s: %s\n", argv[4], strerror(-r));
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        (void) fputs(usage, stderr);
        return 64;
}
