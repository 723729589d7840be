/* An oracle of the determinism analysis: random statements, classed, then run on executors as
 * different as honest hosts may be. What is EXACT or ORDERED must have one answer. With --blind,
 * statements of the other classes run as well, as if the one rule that decided their class were
 * missing: that some of them then disagree shows that the oracle sees what the rule is for. Prints
 * TAP and a table; with --digest one hash over all answers, so that runs under other CPU features
 * can be compared. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "tests/oracle/generate.h"
#include "tests/oracle/runs.h"
#include "tests/support/duckdb_library.h"

#define QUERIES       10000
#define SEEDS_BETWEEN 500 /* queries on one set of rows */

static const char usage[] = "usage: oracle [--engine sqlite|duckdb|portable] [--queries N] [--seed "
                            "S] [--blind] [--digest]\n";

#define SEEN_FROM 30 /* statements that a rule must have decided before it is judged itself */

struct rule {
        uint64_t queries, disagreements;
        bool is_of_this_build; /* for what it does itself, not for what another might */
};

struct oracle {
        const struct runs_engine *engine;
        struct runs *runs;
        struct rng rng;
        uint64_t classes[4], wrong, unanswered, disagreements, pairs, pair_disagreements;
        struct map *rules; /* why -> struct rule */
        struct hash digest;
        bool is_blind;
};

static struct rule *rule_of(struct oracle *o, const char *why) {
        struct rule *r = map_get(o->rules, BYTES_STR(why));

        if (!r) {
                r = xnew(struct rule);
                (void) map_set(o->rules, BYTES_STR(why), r);
        }
        return r;
}

static void rules_free(struct map *rules) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(rules, &cursor, &key, &value))
                free(value);
        map_free(rules);
}

static bool is_same(const struct answer *a, const struct answer *b) {
        return memcmp(&a->hash, &b->hash, sizeof(a->hash)) == 0;
}

/* The perturbation that answered otherwise, or 0. */
static size_t first_dissent(struct oracle *o, const struct engine_analysis *a) {
        struct answer first, other;

        if (!o->engine->answer(o->runs, 0, a->rewrite, a, &first)) {
                o->unanswered++;
                return 0;
        }
        hash_update(&o->digest, &first.hash, sizeof(first.hash));
        for (size_t i = 1; o->engine->perturbations[i]; i++) {
                bool ok = o->engine->answer(o->runs, i, a->rewrite, a, &other);

                o->unanswered += !ok && a->class <= ENGINE_ORDERED;
                if (ok && !is_same(&first, &other))
                        return i;
        }
        return 0;
}

/* The one reason of the class, or NULL: several rules hold it. */
static const char *only_reason(const struct engine_analysis *a) {
        for (size_t i = 1; i < a->n_deciding; i++) {
                if (a->findings[i].why != a->findings[0].why)
                        return NULL;
        }
        return a->n_deciding > 0 ? a->findings[0].why : NULL;
}

static void count(struct oracle *o, const char *why, bool disagrees, bool refuses) {
        struct rule *r = rule_of(o, why);

        r->queries++;
        r->disagreements += disagrees;
        r->is_of_this_build = refuses;
}

static void blind(struct oracle *o, struct engine_analysis *a) {
        const char *why = only_reason(a);
        bool disagrees = first_dissent(o, a) != 0;

        if (why)
                count(o, why, disagrees, a->class == ENGINE_REFUSED && o->engine->rules_show);
        if (a->class == ENGINE_FLOAT)
                count(o, "all rules of FLOAT", disagrees, true);
}

static void judge(struct oracle *o, const char *sql) {
        CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
        size_t dissent;

        if (o->engine->analyse(o->runs, sql, &a) != ENGINE_OK) {
                o->wrong++;
                return;
        }
        o->classes[a.class]++;
        if (a.class > ENGINE_ORDERED) {
                if (o->is_blind)
                        blind(o, &a);
                return;
        }
        dissent = first_dissent(o, &a);
        if (dissent == 0)
                return;
        o->disagreements++;
        printf("# %s, but %s: %s\n", engine_class_name(a.class), o->engine->perturbations[dissent],
               a.rewrite);
}

/* Equal by construction: an engine, or an adapter of ours, that answers otherwise is wrong. */
static void judge_pair(struct oracle *o) {
        CLEANUP(buffer_donep) struct buffer a = {}, b = {};
        CLEANUP(engine_analysis_donep) struct engine_analysis x = {}, y = {};
        struct answer p, q;

        buffer_init(&a, 1 << 16);
        buffer_init(&b, 1 << 16);
        generate_pair(o->engine->dialect, &o->rng, &a, &b);
        if (o->engine->analyse(o->runs, (char *) a.data, &x) != ENGINE_OK ||
            x.class != ENGINE_EXACT ||
            o->engine->analyse(o->runs, (char *) b.data, &y) != ENGINE_OK ||
            y.class != ENGINE_EXACT)
                return;
        /* Names and types are those of the first: only the rows are compared. */
        if (!o->engine->answer(o->runs, 0, x.rewrite, &x, &p) ||
            !o->engine->answer(o->runs, 0, y.rewrite, &x, &q))
                return;
        o->pairs++;
        if (p.form == q.form && is_same(&p, &q))
                return;
        o->pair_disagreements++;
        printf("# not the same: %s\n#           and: %s\n", x.rewrite, y.rewrite);
}

static void judge_all(struct oracle *o, uint64_t seed, uint64_t n) {
        rng_init(&o->rng, seed);
        for (uint64_t i = 0; i < n; i++) {
                CLEANUP(buffer_donep) struct buffer sql = {};

                if (i % SEEDS_BETWEEN == 0) {
                        if (o->runs)
                                o->engine->done(o->runs);
                        o->runs = o->engine->make(seed + i);
                        if (!o->runs)
                                exit(EXIT_FAILURE);
                }
                buffer_init(&sql, 1 << 16);
                generate_query(o->engine->dialect, &o->rng, &sql);
                judge(o, (const char *) sql.data);
                if (i % 4 == 0)
                        judge_pair(o);
        }
}

static bool check(unsigned n, bool ok, const char *what) {
        printf("%s %u - %s\n", ok ? "ok" : "not ok", n, what);
        return ok;
}

/* Of every rule that decided alone: how many statements, how many would have been answered in two
 * ways. */
static void print_rules(const struct oracle *o) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(o->rules, &cursor, &key, &value)) {
                const struct rule *r = value;

                printf("# rule %6" PRIu64 " of %6" PRIu64 " disagree without: %.*s\n",
                       r->disagreements, r->queries, (int) key.len, (const char *) key.data);
        }
}

/* Whether the absence of every rule that one build can show would be noticed. */
static bool rules_are_seen(const struct oracle *o) {
        bool all = true;
        size_t cursor = 0, n = 0;
        struct bytes key;
        void *value;

        while (map_next(o->rules, &cursor, &key, &value)) {
                const struct rule *r = value;

                if (!r->is_of_this_build || r->queries < SEEN_FROM)
                        continue;
                n++;
                all = all && r->disagreements > 0;
        }
        return all && n > 0;
}

static int report(struct oracle *o, uint64_t n, bool wants_digest) {
        double run = (double) (o->classes[ENGINE_EXACT] + o->classes[ENGINE_ORDERED] +
                               o->classes[ENGINE_FLOAT]) /
                     (double) (n - o->wrong);
        bool ok = true;

        printf("# %" PRIu64 " statements: EXACT %" PRIu64 ", ORDERED %" PRIu64 ", FLOAT %" PRIu64
               ", REFUSED %" PRIu64 ", wrong %" PRIu64 ", without an answer %" PRIu64 "; %" PRIu64
               " pairs\n",
               n, o->classes[0], o->classes[1], o->classes[2], o->classes[3], o->wrong,
               o->unanswered, o->pairs);
        if (wants_digest) {
                struct hash_value v = hash_end(&o->digest);
                char hex[2 * HASH_SIZE + 1];

                hex_encode(BYTES(v.bytes, HASH_SIZE), hex);
                printf("# digest %s\n", hex);
        }
        print_rules(o);
        ok &= check(1, o->disagreements == 0,
                    "EXACT and ORDERED have one answer on every executor");
        ok &= check(2, o->pair_disagreements == 0 && o->pairs > 0,
                    "TLP and NoREC give the same rows");
        ok &= check(3, run >= o->engine->run_share, "enough of the statements are not REFUSED");
        ok &= check(4, o->wrong * 20 < n && o->unanswered * 20 < n,
                    "nearly all of them are answered");
        if (o->is_blind)
                ok &= check(5, rules_are_seen(o),
                            "without a rule that refuses, or without FLOAT, some have two answers");
        printf("1..%d\n", o->is_blind ? 5 : 4);
        return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const struct runs_engine *engine_of(const char *name) {
        static const struct runs_engine *const engines[] = { &runs_sqlite, &runs_duckdb,
                                                             &runs_portable };

        for (size_t i = 0; i < ELEMENTSOF(engines); i++) {
                if (strcmp(engines[i]->name, name) == 0)
                        return engines[i];
        }
        return NULL;
}

/* Its library, where it needs one. False: there is none here. */
static bool preload(const struct runs_engine *engine) {
        const char *library = NULL;

        if (engine != &runs_sqlite) {
                if (!duckdb_engine_name())
                        return false;
                library = strchr(duckdb_engine_name(), ':') + 1;
        }
        if (engine->preload(library))
                return true;
        exit(EXIT_FAILURE);
}

struct options {
        const char *engine;
        uint64_t queries, seed;
        bool is_blind, wants_digest;
};

static bool read_options(int argc, char **argv, struct options *o) {
        for (int i = 1; i < argc; i++) {
                const char *value = i + 1 < argc ? argv[i + 1] : NULL;

                if (strcmp(argv[i], "--blind") == 0)
                        o->is_blind = true;
                else if (strcmp(argv[i], "--digest") == 0)
                        o->wants_digest = true;
                else if (!value)
                        return false;
                else if (strcmp(argv[i++], "--queries") == 0)
                        o->queries = strtoull(value, NULL, 10);
                else if (strcmp(argv[i - 1], "--seed") == 0)
                        o->seed = strtoull(value, NULL, 10);
                else if (strcmp(argv[i - 1], "--engine") == 0)
                        o->engine = value;
                else
                        return false;
        }
        return true;
}

int main(int argc, char **argv) {
        struct options options = { .engine = "sqlite", .queries = QUERIES, .seed = 1 };
        struct oracle o = { .rules = map_new(0) };
        int r;

        if (!read_options(argc, argv, &options) || !(o.engine = engine_of(options.engine))) {
                (void) fputs(usage, stderr);
                return 64;
        }
        if (!preload(o.engine)) {
                printf("1..0 # SKIP no DuckDB library; deploy/setup --with-duckdb\n");
                return EXIT_SUCCESS;
        }
        o.is_blind = options.is_blind;
        hash_begin(&o.digest, "quorate.oracle");
        judge_all(&o, options.seed, options.queries);
        r = report(&o, options.queries, options.wants_digest);
        o.engine->done(o.runs);
        rules_free(o.rules);
        return r;
}
