#include "services/sim/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

#define MINUTE (60 * NSEC_PER_SEC)

enum kind {
        FLAG,
        NUMBER,
        SEED,
        SHARE,
        HOURS,
        MINUTES,
        MINUTES_OR_OFF,
        SYBILS,
        ATTACK,
        SPLIT,
        WITHOUT
};

#define SESSION_MIN 0.1 /* minutes: who comes for less does not even join */

struct row {
        const char *name;
        enum kind kind;
        size_t offset;
        const char *value, *help;
};
#define SETTING(field) offsetof(struct sim_options, settings.field)

static const struct row rows[] = {
        { "nodes", NUMBER, SETTING(n_nodes), "N", "up at any time [200]" },
        { "hours", HOURS, SETTING(measured), "H", "virtual time, warm-up included [0.5]" },
        { "warmup", MINUTES, SETTING(warmup), "MIN", "of it not measured [10]" },
        { "churn", MINUTES_OR_OFF, SETTING(session), "MIN|off",
          "mean session, from 0.1 on; 0 is off [30]" },
        { "lookups", NUMBER, SETTING(lookups), "N", "of people, in all [1000]" },
        { "gets", NUMBER, SETTING(gets), "N", "of records, departed publishers' too [500]" },
        { "draws", NUMBER, SETTING(draws), "N", "of candidates [200]" },
        { "without-gossip", FLAG, offsetof(struct sim_options, settings.without_gossip), NULL,
          "transport model and dht alone" },
        { "loss", SHARE, SETTING(loss), "P", "of messages, to be sent again [0.005]" },
        { "silent", SHARE, SETTING(silent), "P", "of links swallow what is said [0]" },
        { "hidden", SHARE, SETTING(hidden), "P", "of nodes nobody can dial [0]" },
        { "skew", MINUTES, SETTING(skew), "MIN", "clocks are wrong by up to this [0]" },
        { "split", SPLIT, SETTING(split_at), "MIN:MIN", "two halves from that minute, so long" },
        { "sybils", SYBILS, SETTING(sybils), "N[:NETS]", "of the nodes, in /24s [0:64]" },
        { "attack", ATTACK, SETTING(attack), "KIND",
          "uniform, mixed, key, eclipse, topic, garbage" },
        { "without", WITHOUT, 0, "DEFENCE", "subnet-caps, paths, regions, age, density, turns" },
        { "real-signatures", FLAG, SETTING(has_real_signatures), NULL, "Ed25519, not a stand-in" },
        { "seed", SEED, SETTING(seed), "S", "same seed, same trace [1]" },
        { "seeds", NUMBER, offsetof(struct sim_options, seeds), "N", "runs that share a warm-up" },
        { "json", FLAG, offsetof(struct sim_options, json), NULL, "one object for programs" },
        { "help", FLAG, offsetof(struct sim_options, help), NULL, "this text" },
};
static const char *const attacks[_ATTACK_KINDS] = { "none",  "uniform", "key",    "eclipse",
                                                    "topic", "mixed",   "garbage" };

void options_help(FILE *f) {
        fputs("usage: quorate sim [OPTIONS]\n"
              "Whole nodes on virtual time in one process: does discovery hold, at what cost?\n",
              f);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].offset != offsetof(struct sim_options, help)) /* who reads it knows */
                        fprintf(f, "  --%-15s %-9s %s\n", rows[i].name,
                                rows[i].value ? rows[i].value : "", rows[i].help);
        fputs("Ctrl-C ends it with what there is so far.\n"
              "example: quorate sim --nodes 200 --hours 0.5 --churn 30 --seed 7 --json\n",
              f);
}

/* ---- Values ---- */

static bool number(const char *text, double *ret) {
        char *end = NULL;

        *ret = strtod(text, &end);
        return end != text && *end == 0 && *ret >= 0 && *ret < 1e15;
}

static bool read_pair(const char *text, double *a, double *b) {
        char first[32];
        const char *colon = strchr(text, ':');

        if (!colon)
                return number(text, a);
        if ((size_t) (colon - text) >= sizeof(first))
                return false;
        memcpy(first, text, (size_t) (colon - text));
        first[colon - text] = 0;
        return number(first, a) && number(colon + 1, b);
}

static bool read_attack(const char *text, enum attack_kind *ret) {
        for (unsigned i = 0; i < _ATTACK_KINDS; i++)
                if (strcmp(text, attacks[i]) == 0) {
                        *ret = (enum attack_kind) i;
                        return true;
                }
        return false;
}

static bool take_pair(const struct row *r, const char *text, struct sim_settings *s) {
        double a = 0, b = 0;

        if (r->kind == SYBILS)
                b = s->sybil_subnets;
        if (!read_pair(text, &a, &b))
                return false;
        if (r->kind == SYBILS) {
                s->sybils = (uint32_t) a;
                s->sybil_subnets = (uint32_t) b;
                return b >= 1;
        }
        s->split_at = (nsec_t) (a * MINUTE);
        s->split_for = (nsec_t) (b * MINUTE);
        return b > 0;
}

static bool take_without(const char *text, struct sim_settings *s) {
        const struct {
                const char *name;
                bool *off;
        } defences[] = {
                { "subnet-caps", &s->without_subnet_caps }, { "paths", &s->without_paths },
                { "regions", &s->without_regions },         { "age", &s->without_age },
                { "density", &s->without_density },         { "turns", &s->without_turns }
        };

        for (size_t i = 0; i < ELEMENTSOF(defences); i++)
                if (strcmp(text, defences[i].name) == 0) {
                        *defences[i].off = true;
                        return true;
                }
        return false;
}

static bool take(const struct row *r, const char *text, struct sim_options *o) {
        void *at = (char *) o + r->offset;
        double v = 0;

        if (r->kind == SYBILS || r->kind == SPLIT)
                return take_pair(r, text, &o->settings);
        if (r->kind == WITHOUT)
                return take_without(text, &o->settings);
        if (r->kind == ATTACK)
                return read_attack(text, at);
        if (r->kind == MINUTES_OR_OFF && strcmp(text, "off") == 0) {
                *(nsec_t *) at = 0;
                return true;
        }
        if (!number(text, &v))
                return false;
        if (r->kind == NUMBER && v < 4e9)
                *(uint32_t *) at = (uint32_t) v;
        else if (r->kind == SEED)
                *(uint64_t *) at = (uint64_t) v;
        else if (r->kind == SHARE && v <= 1)
                *(double *) at = v;
        else if (r->kind == HOURS || r->kind == MINUTES ||
                 (r->kind == MINUTES_OR_OFF && (v == 0 || v >= SESSION_MIN)))
                *(nsec_t *) at = (nsec_t) (v * (r->kind == HOURS ? 60 : 1) * (double) MINUTE);
        else
                return false;
        return true;
}

static const struct row *find(const char *name, size_t len) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
                        return &rows[i];
        return NULL;
}

/* ---- The whole ---- */

static bool is_sound(struct sim_settings *s, char error[256]) {
        if (s->n_nodes < 2 || s->n_nodes > 100000)
                (void) snprintf(error, 256, "--nodes: give 2 to 100000");
        else if (s->measured <= s->warmup)
                (void) snprintf(error, 256,
                                "--hours: give more than --warmup, which is in minutes");
        else if (s->sybils * 2 > s->n_nodes)
                (void) snprintf(error, 256, "--sybils: give at most half of --nodes");
        else if ((s->sybils == 0) != (s->attack == ATTACK_NONE))
                (void) snprintf(error, 256, "--sybils and --attack go together: give both");
        else
                return true;
        return false;
}

bool options_read(int argc, char **argv, struct sim_options *ret, char error[256]) {
        *ret = (struct sim_options){ .settings = sim_settings_default, .seeds = 1 };
        ret->settings.measured += ret->settings.warmup;
        for (int i = 1; i < argc; i++) {
                const char *name = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
                const char *value = strchr(name, '=');
                size_t len = value ? (size_t) (value - name) : strlen(name);
                const struct row *r = find(strcmp(argv[i], "-h") == 0 ? "help" : name,
                                           strcmp(argv[i], "-h") == 0 ? 4 : len);

                if (!r) {
                        (void) snprintf(error, 256, "%s: no such option; --help lists them",
                                        argv[i]);
                        return false;
                }
                if (r->kind == FLAG) {
                        *(bool *) ((char *) ret + r->offset) = true;
                        continue;
                }
                value = value ? value + 1 : i + 1 < argc ? argv[++i] : "";
                if (!take(r, value, ret)) {
                        (void) snprintf(error, 256, "--%s %s: give %s, %s", r->name, value,
                                        r->value, r->help);
                        return false;
                }
        }
        if (!is_sound(&ret->settings, error))
                return false;
        if (ret->seeds < 1) {
                (void) snprintf(error, 256, "--seeds: give 1 or more");
                return false;
        }
        ret->settings.measured -= ret->settings.warmup;
        ret->settings.has_gossip = !ret->settings.without_gossip;
        return true;
}
