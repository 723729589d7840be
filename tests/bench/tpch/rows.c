#include "tests/bench/tpch/rows.h"

#include <stdbool.h>
#include <stdio.h>

#include "common/base/memory.h"

#define SUPPLIERS     10000
#define CUSTOMERS     150000
#define PARTS         200000
#define ORDERS        1500000
#define PER_PART      4
#define LINES_MAX     7
#define FIRST_DATE    8035 /* 1992-01-01 */
#define ORDER_DAYS    2406 /* to 1998-08-02, 151 days before the end */
#define TODAY         9298 /* 1995-06-17: what was shipped by then has a status */
#define SHARE_LATE_OF 3    /* every third customer never orders (4.2.3) */

/* ---- shapes (TPC-H 1.4) ---- */

#define I(n) \
        { n, TPCH_INTEGER }
#define M(n) \
        { n, TPCH_MONEY }
#define D(n) \
        { n, TPCH_DATE }
#define T(n) \
        { n, TPCH_TEXT }

static const struct tpch_column region[] = { I("r_regionkey"), T("r_name"), T("r_comment") };
static const struct tpch_column nation[] = { I("n_nationkey"), T("n_name"), I("n_regionkey"),
                                             T("n_comment") };
static const struct tpch_column supplier[] = { I("s_suppkey"),   T("s_name"),  T("s_address"),
                                               I("s_nationkey"), T("s_phone"), M("s_acctbal"),
                                               T("s_comment") };
static const struct tpch_column customer[] = { I("c_custkey"),    T("c_name"),   T("c_address"),
                                               I("c_nationkey"),  T("c_phone"),  M("c_acctbal"),
                                               T("c_mktsegment"), T("c_comment") };
static const struct tpch_column part[] = { I("p_partkey"),   T("p_name"),        T("p_mfgr"),
                                           T("p_brand"),     T("p_type"),        I("p_size"),
                                           T("p_container"), M("p_retailprice"), T("p_comment") };
static const struct tpch_column partsupp[] = { I("ps_partkey"), I("ps_suppkey"), I("ps_availqty"),
                                               M("ps_supplycost"), T("ps_comment") };
static const struct tpch_column orders[] = { I("o_orderkey"),    I("o_custkey"),
                                             T("o_orderstatus"), M("o_totalprice"),
                                             D("o_orderdate"),   T("o_orderpriority"),
                                             T("o_clerk"),       I("o_shippriority"),
                                             T("o_comment") };
static const struct tpch_column lineitem[] = {
        I("l_orderkey"),    I("l_partkey"),       I("l_suppkey"),  I("l_linenumber"),
        I("l_quantity"),    M("l_extendedprice"), M("l_discount"), M("l_tax"),
        T("l_returnflag"),  T("l_linestatus"),    D("l_shipdate"), D("l_commitdate"),
        D("l_receiptdate"), T("l_shipinstruct"),  T("l_shipmode"), T("l_comment")
};

#define SHAPE(t) \
        { #t, t, ELEMENTSOF(t) }
const struct tpch_shape tpch_shapes[_TPCH_TABLES] = { SHAPE(region),   SHAPE(nation),
                                                      SHAPE(supplier), SHAPE(customer),
                                                      SHAPE(part),     SHAPE(partsupp),
                                                      SHAPE(orders),   SHAPE(lineitem) };

/* ---- words (TPC-H 4.2.2.13, 4.2.3) ---- */

static const char *const regions[] = { "AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST" };
static const struct {
        const char *name;
        unsigned region;
} nations[] = {
        { "ALGERIA", 0 },       { "ARGENTINA", 1 }, { "BRAZIL", 1 }, { "CANADA", 1 },
        { "EGYPT", 4 },         { "ETHIOPIA", 0 },  { "FRANCE", 3 }, { "GERMANY", 3 },
        { "INDIA", 2 },         { "INDONESIA", 2 }, { "IRAN", 4 },   { "IRAQ", 4 },
        { "JAPAN", 2 },         { "JORDAN", 4 },    { "KENYA", 0 },  { "MOROCCO", 0 },
        { "MOZAMBIQUE", 0 },    { "PERU", 1 },      { "CHINA", 2 },  { "ROMANIA", 3 },
        { "SAUDI ARABIA", 4 },  { "VIETNAM", 2 },   { "RUSSIA", 3 }, { "UNITED KINGDOM", 3 },
        { "UNITED STATES", 1 },
};
static const char *const segments[] = { "AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY",
                                        "HOUSEHOLD" };
static const char *const priorities[] = { "1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED",
                                          "5-LOW" };
static const char *const modes[] = { "REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB" };
static const char *const instructions[] = { "DELIVER IN PERSON", "COLLECT COD", "NONE",
                                            "TAKE BACK RETURN" };
static const char *const type_1[] = { "STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO" };
static const char *const type_2[] = { "ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED" };
static const char *const type_3[] = { "TIN", "NICKEL", "BRASS", "STEEL", "COPPER" };
static const char *const box_1[] = { "SM", "LG", "MED", "JUMBO", "WRAP" };
static const char *const box_2[] = { "CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM" };
static const char *const colours[] = {
        "almond",    "antique", "aquamarine", "azure",    "beige",     "bisque", "black",
        "blue",      "brown",   "chartreuse", "coral",    "cream",     "cyan",   "dark",
        "firebrick", "forest",  "ghost",      "gold",     "green",     "grey",   "honeydew",
        "indian",    "ivory",   "khaki",      "lavender", "lemon",     "lime",   "linen",
        "magenta",   "maroon",  "midnight",   "mint",     "navy",      "olive",  "orange",
        "orchid",    "pale",    "peach",      "pink",     "plum",      "powder", "puff",
        "purple",    "red",     "rose",       "royal",    "saddle",    "salmon", "sandy",
        "seashell",  "sienna",  "sky",        "slate",    "smoke",     "snow",   "spring",
        "steel",     "tan",     "thistle",    "tomato",   "turquoise", "violet", "wheat",
        "white",     "yellow",
};
static const char *const nouns[] = { "deposits", "requests",    "accounts",     "packages",
                                     "ideas",    "theodolites", "instructions", "dependencies",
                                     "foxes",    "pinto beans", "courts",       "asymptotes" };
static const char *const verbs[] = { "sleep",  "haggle", "nag",       "wake",
                                     "cajole", "detect", "integrate", "boost" };
static const char *const adjectives[] = { "special", "pending", "unusual", "express", "furious",
                                          "sly",     "careful", "quick",   "final",   "ironic",
                                          "even",    "bold",    "silent",  "regular" };

/* ---- draws ---- */

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014) over a name of the value. */
static uint64_t draw(enum tpch_table table, uint64_t row, unsigned column) {
        uint64_t z = row * UINT64_C(0x9e3779b97f4a7c15) + ((uint64_t) table << 56) +
                     ((uint64_t) column << 48);

        for (int i = 0; i < 2; i++) {
                z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
                z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
                z ^= z >> 31;
                z += UINT64_C(0x9e3779b97f4a7c15);
        }
        return z;
}

struct maker {
        enum tpch_table table;
        uint64_t row; /* from 0 */
        struct tpch_value *values;
        unsigned column; /* the next one */
};

static uint64_t next_draw(const struct maker *m) {
        return draw(m->table, m->row, m->column);
}

static void put(struct maker *m, int64_t v) {
        m->values[m->column++].integer = v;
}

static int64_t put_between(struct maker *m, int64_t low, int64_t high) {
        int64_t v = low + (int64_t) (next_draw(m) % (uint64_t) (high - low + 1));

        put(m, v);
        return v;
}

static void put_text(struct maker *m, const char *text) {
        (void) snprintf(m->values[m->column++].text, sizeof(m->values->text), "%s", text);
}

#define PUT_WORD(m, words) put_text(m, words[next_draw(m) % ELEMENTSOF(words)])

static void put_comment(struct maker *m) {
        uint64_t d = next_draw(m);

        (void) snprintf(m->values[m->column++].text, sizeof(m->values->text), "%s %s %s the %s %s",
                        adjectives[d % ELEMENTSOF(adjectives)], nouns[(d >> 8) % ELEMENTSOF(nouns)],
                        verbs[(d >> 16) % ELEMENTSOF(verbs)],
                        adjectives[(d >> 24) % ELEMENTSOF(adjectives)],
                        nouns[(d >> 32) % ELEMENTSOF(nouns)]);
}

static void put_named(struct maker *m, const char *what, uint64_t key) {
        (void) snprintf(m->values[m->column++].text, sizeof(m->values->text), "%s#%09llu", what,
                        (unsigned long long) key);
}

static void put_address(struct maker *m) {
        static const char letters[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,";
        char *text = m->values[m->column].text;
        uint64_t d = next_draw(m);
        unsigned n = 10 + (unsigned) (d % 16);

        for (unsigned i = 0; i < n; i++) {
                d = d * UINT64_C(6364136223846793005) + 1442695040888963407;
                text[i] = letters[(d >> 40) % (sizeof(letters) - (i == 0 || i == n - 1 ? 3 : 1))];
        }
        text[n] = '\0';
        m->column++;
}

static void put_phone(struct maker *m, int64_t nation_key) {
        uint64_t d = next_draw(m);

        (void) snprintf(m->values[m->column++].text, sizeof(m->values->text), "%d-%03d-%03d-%04d",
                        (int) nation_key + 10, (int) (100 + d % 900), (int) (100 + (d >> 16) % 900),
                        (int) (1000 + (d >> 32) % 9000));
}

/* ---- tables ---- */

static uint64_t scaled(double scale, uint64_t n) {
        return (uint64_t) (scale * (double) n + 0.5);
}

static void make_region(struct maker *m, double scale) {
        put(m, (int64_t) m->row);
        put_text(m, regions[m->row]);
        put_comment(m);
}

static void make_nation(struct maker *m, double scale) {
        put(m, (int64_t) m->row);
        put_text(m, nations[m->row].name);
        put(m, nations[m->row].region);
        put_comment(m);
}

/* Every 2,000th of them has complaints, or recommendations (4.2.3). */
static void make_supplier(struct maker *m, double scale) {
        int64_t nation_key;

        put(m, (int64_t) m->row + 1);
        put_named(m, "Supplier", m->row + 1);
        put_address(m);
        nation_key = put_between(m, 0, 24);
        put_phone(m, nation_key);
        put_between(m, -99999, 999999);
        put_comment(m);
        if (m->row % 200 == 7)
                (void) snprintf(m->values[6].text, sizeof(m->values->text), "sly Customer %s nag",
                                m->row % 400 == 7 ? "Complaints" : "Recommends");
}

static void make_customer(struct maker *m, double scale) {
        int64_t nation_key;

        put(m, (int64_t) m->row + 1);
        put_named(m, "Customer", m->row + 1);
        put_address(m);
        nation_key = put_between(m, 0, 24);
        put_phone(m, nation_key);
        put_between(m, -99999, 999999);
        PUT_WORD(m, segments);
        put_comment(m);
}

static int64_t price_of(uint64_t part_key) {
        return (int64_t) (90000 + part_key / 10 % 20001 + 100 * (part_key % 1000));
}

static void make_part(struct maker *m, double scale) {
        uint64_t d = draw(m->table, m->row, 100), maker;

        put(m, (int64_t) m->row + 1);
        (void) snprintf(m->values[m->column++].text, sizeof(m->values->text), "%s %s %s %s %s",
                        colours[d % ELEMENTSOF(colours)], colours[(d >> 8) % ELEMENTSOF(colours)],
                        colours[(d >> 16) % ELEMENTSOF(colours)],
                        colours[(d >> 24) % ELEMENTSOF(colours)],
                        colours[(d >> 32) % ELEMENTSOF(colours)]);
        maker = 1 + next_draw(m) % 5;
        (void) snprintf(m->values[m->column++].text, sizeof(m->values->text), "Manufacturer#%d",
                        (int) maker);
        d = next_draw(m);
        (void) snprintf(m->values[m->column++].text, sizeof(m->values->text), "Brand#%d%d",
                        (int) maker, (int) (1 + d % 5));
        d = next_draw(m);
        (void) snprintf(m->values[m->column++].text, sizeof(m->values->text), "%s %s %s",
                        type_1[d % ELEMENTSOF(type_1)], type_2[(d >> 8) % ELEMENTSOF(type_2)],
                        type_3[(d >> 16) % ELEMENTSOF(type_3)]);
        put_between(m, 1, 50);
        d = next_draw(m);
        (void) snprintf(m->values[m->column++].text, sizeof(m->values->text), "%s %s",
                        box_1[d % ELEMENTSOF(box_1)], box_2[(d >> 8) % ELEMENTSOF(box_2)]);
        put(m, price_of(m->row + 1));
        put_comment(m);
}

/* The i-th supplier of a part (4.2.3): spread, and four different ones. */
static int64_t supplier_of(uint64_t part_key, unsigned i, double scale) {
        uint64_t s = scaled(scale, SUPPLIERS);

        return (int64_t) ((part_key + i * (s / PER_PART + (part_key - 1) / s)) % s + 1);
}

static void make_partsupp(struct maker *m, double scale) {
        uint64_t part_key = m->row / PER_PART + 1;

        put(m, (int64_t) part_key);
        put(m, supplier_of(part_key, m->row % PER_PART, scale));
        put_between(m, 1, 9999);
        put_between(m, 100, 100000);
        put_comment(m);
}

/* An order and its lines are drawn together: both tables need both. */
struct line {
        int64_t part, supplier, quantity, price, discount, tax, shipped, committed, received;
};

struct order {
        int64_t key, customer, date, total;
        unsigned n_lines, n_shipped;
        struct line lines[LINES_MAX];
};

static void draw_line(struct order *o, uint64_t row, unsigned i, double scale) {
        struct line *l = &o->lines[i];
        uint64_t d = draw(TPCH_LINEITEM, row, 20 * (i + 1)),
                 e = draw(TPCH_LINEITEM, row, 20 * (i + 1) + 1);

        l->part = 1 + (int64_t) (d % scaled(scale, PARTS));
        l->supplier = supplier_of((uint64_t) l->part, (unsigned) (e >> 60) % PER_PART, scale);
        l->quantity = 1 + (int64_t) (e % 50);
        l->price = l->quantity * price_of((uint64_t) l->part);
        l->discount = (int64_t) ((e >> 8) % 11);
        l->tax = (int64_t) ((e >> 16) % 9);
        l->shipped = o->date + 1 + (int64_t) ((e >> 24) % 121);
        l->committed = o->date + 30 + (int64_t) ((e >> 32) % 61);
        l->received = l->shipped + 1 + (int64_t) ((e >> 44) % 30);
        o->n_shipped += l->shipped <= TODAY;
        o->total += l->price * (100 - l->discount) * (100 + l->tax) / 10000;
}

static void draw_order(uint64_t row, double scale, struct order *o) {
        uint64_t d = draw(TPCH_ORDERS, row, 50), customers = scaled(scale, CUSTOMERS);
        uint64_t buyer = 1 + d % customers;

        *o = (struct order){ .key = (int64_t) (row / 8 * 32 + row % 8 + 1) }; /* sparse: 8 of 32 */
        if (buyer % SHARE_LATE_OF == 0)
                buyer = buyer == customers ? buyer - 1 : buyer + 1;
        o->customer = (int64_t) buyer;
        o->date = FIRST_DATE + (int64_t) (draw(TPCH_ORDERS, row, 51) % ORDER_DAYS);
        o->n_lines = 1 + (unsigned) (draw(TPCH_ORDERS, row, 52) % LINES_MAX);
        for (unsigned i = 0; i < o->n_lines; i++)
                draw_line(o, row, i, scale);
}

static void make_order(struct maker *m, double scale) {
        struct order o;

        draw_order(m->row, scale, &o);
        put(m, o.key);
        put(m, o.customer);
        put_text(m, o.n_shipped == o.n_lines ? "F" : o.n_shipped == 0 ? "O" : "P");
        put(m, o.total);
        put(m, o.date);
        PUT_WORD(m, priorities);
        put_named(m, "Clerk", 1 + next_draw(m) % (scaled(scale, 1000) + 1));
        put(m, 0);
        put_comment(m);
}

static void make_line(struct maker *m, const struct order *o, unsigned i) {
        const struct line *l = &o->lines[i];

        put(m, o->key);
        put(m, l->part);
        put(m, l->supplier);
        put(m, i + 1);
        put(m, l->quantity);
        put(m, l->price);
        put(m, l->discount);
        put(m, l->tax);
        put_text(m, l->received > TODAY ? "N" : next_draw(m) % 2 ? "R" : "A");
        put_text(m, l->shipped > TODAY ? "O" : "F");
        put(m, l->shipped);
        put(m, l->committed);
        put(m, l->received);
        PUT_WORD(m, instructions);
        PUT_WORD(m, modes);
        put_comment(m);
}

static int lines_of(struct maker *m, double scale, tpch_row_fn fn, void *userdata) {
        struct order o;
        uint64_t row = m->row;
        int r = 0;

        draw_order(row, scale, &o);
        for (unsigned i = 0; r == 0 && i < o.n_lines; i++) {
                m->row = row * LINES_MAX + i;
                m->column = 0;
                make_line(m, &o, i);
                r = fn(userdata, m->values);
        }
        return r;
}

static const struct {
        uint64_t n; /* at scale 1 */
        bool is_fixed;
        void (*make)(struct maker *m, double scale);
} makers[_TPCH_TABLES] = {
        [TPCH_REGION] = { ELEMENTSOF(regions), true, make_region },
        [TPCH_NATION] = { ELEMENTSOF(nations), true, make_nation },
        [TPCH_SUPPLIER] = { SUPPLIERS, false, make_supplier },
        [TPCH_CUSTOMER] = { CUSTOMERS, false, make_customer },
        [TPCH_PART] = { PARTS, false, make_part },
        [TPCH_PARTSUPP] = { PARTS * PER_PART, false, make_partsupp },
        [TPCH_ORDERS] = { ORDERS, false, make_order },
        [TPCH_LINEITEM] = { ORDERS, false, NULL },
};

int tpch_rows(enum tpch_table table, double scale, tpch_row_fn fn, void *userdata) {
        struct tpch_value values[16];
        uint64_t n = makers[table].is_fixed ? makers[table].n : scaled(scale, makers[table].n);
        int r = 0;

        for (uint64_t row = 0; r == 0 && row < n; row++) {
                struct maker m = { .table = table, .row = row, .values = values };

                if (table == TPCH_LINEITEM) {
                        r = lines_of(&m, scale, fn, userdata);
                        continue;
                }
                makers[table].make(&m, scale);
                r = fn(userdata, values);
        }
        return r;
}

/* Civil from days (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013), for days >= 0.
 */
char *tpch_date_text(int64_t days, char ret[11]) {
        unsigned z = (unsigned) days + 719468, era = z / 146097, doe = z - era * 146097;
        unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
        unsigned day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
        unsigned year = yoe + era * 400 + (month <= 2);

        (void) snprintf(ret, 11, "%04u-%02u-%02u", year % 10000, month % 100, day % 100);
        return ret;
}
