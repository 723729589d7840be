#include "services/sim/report.h"

#include <inttypes.h>

#include "common/base/memory.h"

#define BAR 40

static double share(uint64_t a, uint64_t b) {
        return b ? (double) a / (double) b : 0;
}

static double per(double a, uint64_t b) {
        return b ? a / (double) b : 0;
}

static double rate(const struct figures *x, enum part part) {
        return x->alive_s > 0 ? (double) x->traffic.bytes[part] / x->alive_s : 0;
}

/* What the bound is about: all but what people ask for. */
static double upkeep(const struct figures *x) {
        double sum = 0;

        for (unsigned i = 0; i < _PARTS; i++)
                sum += i == PART_USER ? 0 : rate(x, (enum part) i);
        return sum;
}

/* ---- Text ---- */

static void print_histogram(FILE *f, const char *title, const struct histogram *h, double unit) {
        uint64_t all = 0, most = 0;

        for (unsigned i = 0; i < HISTOGRAM; i++) {
                all += h->counts[i];
                most = h->counts[i] > most ? h->counts[i] : most;
        }
        if (all == 0)
                return;
        fprintf(f, "\n%s\n", title);
        for (unsigned i = 0; i < HISTOGRAM; i++) {
                if (h->counts[i] == 0)
                        continue;
                fprintf(f, "  %6.4g%s %8" PRIu64 " ", i * unit, i + 1 == HISTOGRAM ? "+" : " ",
                        h->counts[i]);
                for (uint64_t n = 0; n * most < h->counts[i] * BAR; n++)
                        fputc('#', f);
                fputc('\n', f);
        }
}

static void print_traffic(FILE *f, const struct figures *x) {
        double minutes = x->alive_s / 60;

        fprintf(f, "traffic    %.2f KiB/s a node, sent and received; user look-ups besides: %.2f\n",
                upkeep(x) / 1024, rate(x, PART_USER) / 1024);
        for (unsigned i = 0; i < PART_USER; i++)
                if (x->traffic.bytes[i] > 0)
                        fprintf(f, "             %-10s %6.2f KiB/s\n", part_names[i],
                                rate(x, (enum part) i) / 1024);
        fputs("           handshakes dialled a minute for", f);
        for (unsigned i = 0; i < _PURPOSES; i++)
                fprintf(f, " %s %.1f", purpose_names[i],
                        (double) x->traffic.handshakes[i] / minutes);
        fprintf(f, "\n           a minute: %.1f requests, %.1f dials in vain, %.1f messages\n",
                (double) x->traffic.requests / minutes, (double) x->traffic.failed_dials / minutes,
                (double) x->traffic.messages / minutes);
}

static void print_probes(FILE *f, const struct figures *x) {
        fprintf(f, "look-ups   %" PRIu64 " of %" PRIu64 " good (%.3f %%), %.2f hops, %.2f s\n",
                x->lookups_good, x->lookups, 100 * share(x->lookups_good, x->lookups),
                per(x->hops, x->lookups), per(x->lookup_s, x->lookups));
        if (x->gets)
                fprintf(f,
                        "records    %" PRIu64 " of %" PRIu64 " found (%.3f %%), %" PRIu64
                        " old, %.2f s\n           copies alive: p1 %" PRIu64 ", p50 %" PRIu64
                        "; %" PRIu64 " published\n",
                        x->gets_good, x->gets, 100 * share(x->gets_good, x->gets), x->gets_old,
                        per(x->get_s, x->gets), x->copies_p1, x->copies_p50, x->records);
        if (x->draws)
                fprintf(f,
                        "draws      %" PRIu64
                        ", %.1f candidates each, dead %.3f %%, at most %" PRIu64 " in one\n",
                        x->draws, per((double) x->drawn, x->draws),
                        100 * share(x->drawn_dead, x->drawn), x->draws_dead_max);
        if (x->deliveries_1)
                fprintf(f, "gossip     %.3f %% within 1 s, %.3f %% within 3 s, of %" PRIu64 "\n",
                        100 * share(x->delivered_1, x->deliveries_1),
                        100 * share(x->delivered_3, x->deliveries_3), x->deliveries_1);
}

static void print_attack(FILE *f, const struct figures *x) {
        if (x->targets)
                fprintf(f,
                        "attack     the key: %" PRIu64 " of %" PRIu64 " gets (%.2f %%); %" PRIu64
                        " keys tried for ids that share %" PRIu64 " bits\n",
                        x->targets_good, x->targets, 100 * share(x->targets_good, x->targets),
                        x->ground, x->ground_bits);
        if (x->victims)
                fprintf(f,
                        "attack     %" PRIu64 " of %" PRIu64
                        " newcomers with 30 %% honest entries (mean %.1f %%), %" PRIu64
                        " of %" PRIu64 " of their look-ups good\n",
                        x->victims_good, x->victims,
                        100 * share(x->victim_honest, x->victim_entries), x->victim_asks_good,
                        x->victim_asks);
        if (x->readings)
                fprintf(f,
                        "attack     a topic read %" PRIu64
                        " times: %.2f %% of the honest, and %.1f of "
                        "the others\n",
                        x->readings, 100 * share(x->announced_found, x->announced),
                        per((double) x->announced_spam, x->readings));
}

void report_text(FILE *f, const struct sim_settings *s, const struct figures *x) {
        fprintf(f, "network    %u nodes, %.2f h measured, seed %" PRIu64 "\n", s->n_nodes, x->hours,
                x->seed);
        fprintf(f,
                "churn      %" PRIu64 " left, %" PRIu64 " of them by kill -9 (%" PRIu64
                " writes undone), %" PRIu64 " returned\n",
                x->departed, x->killed, x->undone, x->returned);
        print_probes(f, x);
        print_attack(f, x);
        print_traffic(f, x);
        fprintf(f, "size       median %.0f; %.1f %% of intervals hold %" PRIu64 "; tables %.0f\n",
                x->estimate_median, 100 * share(x->estimates_inside, x->estimates), x->nodes_end,
                per((double) x->table_entries, x->estimates));
        fprintf(f, "at the end %.1f connections a node\n",
                per(2 * (double) x->n_links, x->nodes_end));
        fprintf(f, "signatures %" PRIu64 " made, %" PRIu64 " checked\n", x->signed_n, x->verified);
        print_histogram(f, "found of the 20 closest", &x->found, 1);
        print_histogram(f, "hops", &x->hop_counts, 1);
        print_histogram(f, "look-ups, s", &x->lookup_times, 0.25);
        print_histogram(f, "gets, s", &x->get_times, 0.25);
        print_histogram(f, "draws, s", &x->draw_times, 0.1);
        print_histogram(f, "copies of a record", &x->copies, 1);
        fprintf(f,
                "\ntrace      %016" PRIx64 ", %" PRIu64 " events, %.1f s of CPU, %.0f KiB a node\n",
                x->trace, x->n_events, x->cpu_s, (double) x->peak / 1024 / s->n_nodes);
}

void report_line(FILE *f, const struct figures *x) {
        fprintf(f,
                "seed %-6" PRIu64
                " look-ups %.3f %%, records %.3f %%, %.2f hops, %.2f KiB/s, trace "
                "%016" PRIx64 "\n",
                x->seed, 100 * share(x->lookups_good, x->lookups),
                100 * share(x->gets_good, x->gets), per(x->hops, x->lookups), upkeep(x) / 1024,
                x->trace);
}

/* ---- Sums ---- */

static void add_histogram(struct histogram *sum, const struct histogram *h) {
        for (unsigned i = 0; i < HISTOGRAM; i++)
                sum->counts[i] += h->counts[i];
}

static void add_traffic(struct traffic *sum, const struct traffic *t) {
        for (unsigned i = 0; i < _PARTS; i++)
                sum->bytes[i] += t->bytes[i];
        for (unsigned i = 0; i < _PURPOSES; i++)
                sum->handshakes[i] += t->handshakes[i];
        sum->requests += t->requests;
        sum->failed_dials += t->failed_dials;
        sum->messages += t->messages;
}

/* What is counted is added; what is a place in an order (copies, sizes) is the lowest. */
void report_add(struct figures *sum, const struct figures *x) {
        const struct figures before = *sum;
        bool is_first = before.hours <= 0;

        *sum = *x;
        sum->seed = is_first ? x->seed : before.seed;
        sum->trace = before.trace * UINT64_C(0x9e3779b97f4a7c15) + x->trace;
        sum->copies_p1 =
                is_first || x->copies_p1 < before.copies_p1 ? x->copies_p1 : before.copies_p1;
        sum->hours += before.hours;
        sum->alive_s += before.alive_s;
        sum->cpu_s += before.cpu_s;
        sum->n_events += before.n_events;
        sum->hops += before.hops;
        sum->lookup_s += before.lookup_s;
        sum->get_s += before.get_s;
        for (size_t i = 0; i < ELEMENTSOF(sum->counted); i++)
                sum->counted[i] += before.counted[i];
        for (size_t i = 0; i < ELEMENTSOF(sum->histograms); i++)
                add_histogram(&sum->histograms[i], &before.histograms[i]);
        add_traffic(&sum->traffic, &before.traffic);
}

/* ---- JSON ---- */

static void member(FILE *f, const char *name, double value) {
        fprintf(f, ",\"%s\":%.6g", name, value);
}

void report_json(FILE *f, const struct sim_settings *s, const struct figures *x) {
        fprintf(f, "{\"nodes\":%u,\"seed\":%" PRIu64 ",\"trace\":\"%016" PRIx64 "\"", s->n_nodes,
                x->seed, x->trace);
        member(f, "hours", x->hours);
        member(f, "lookups", (double) x->lookups);
        member(f, "lookup_success", share(x->lookups_good, x->lookups));
        member(f, "hops_mean", per(x->hops, x->lookups));
        member(f, "lookup_s_mean", per(x->lookup_s, x->lookups));
        member(f, "gets", (double) x->gets);
        member(f, "get_success", share(x->gets_good, x->gets));
        member(f, "copies_p1", (double) x->copies_p1);
        member(f, "copies_p50", (double) x->copies_p50);
        member(f, "denied",
               share(x->lookups - x->lookups_good + x->gets - x->gets_good, x->lookups + x->gets));
        member(f, "delivered", share(x->delivered_3, x->deliveries_3));
        member(f, "delivered_1s", share(x->delivered_1, x->deliveries_1));
        member(f, "draws", (double) x->draws);
        member(f, "draws_full", share(x->draws_full, x->draws));
        member(f, "drawn_dead", (double) x->drawn_dead);
        member(f, "draws_dead_2", (double) x->draws_dead);
        member(f, "draw_dead_max", (double) x->draws_dead_max);
        member(f, "candidates_mean", per((double) x->drawn, x->draws));
        member(f, "candidates_share", share(x->drawn, x->drawable));
        member(f, "draw_s_p99", 0.1 * (histogram_quantile(&x->draw_times, 0.99) + 1));
        member(f, "bytes_per_node_s", upkeep(x));
        for (unsigned i = 0; i < _PARTS; i++) {
                char name[32];

                (void) snprintf(name, sizeof(name), "bytes_%s", part_names[i]);
                member(f, name, rate(x, (enum part) i));
        }
        if (x->targets) {
                member(f, "targets_found", share(x->targets_good, x->targets));
                member(f, "keys_ground", (double) x->ground);
        }
        if (x->victims) {
                member(f, "victims_good", share(x->victims_good, x->victims));
                member(f, "victims_honest_entries", share(x->victim_honest, x->victim_entries));
                member(f, "victims_lookup_success", share(x->victim_asks_good, x->victim_asks));
        }
        if (x->readings)
                member(f, "announced_found", share(x->announced_found, x->announced));
        member(f, "size_median", x->estimate_median);
        member(f, "size_inside", share(x->estimates_inside, x->estimates));
        member(f, "connections_mean", per(2 * (double) x->n_links, x->nodes_end));
        member(f, "departed", (double) x->departed);
        member(f, "events", (double) x->n_events);
        member(f, "cpu_s", x->cpu_s);
        member(f, "bytes_of_memory_per_node", (double) x->peak / s->n_nodes);
        member(f, "bytes_in_use_per_node", (double) x->in_use / s->n_nodes);
        fputs("}\n", f);
}

void report_error(FILE *f, const char *text, int code) {
        fputs("{\"error\":\"sim: ", f);
        for (const char *c = text; *c; c++) {
                if (*c == '"' || *c == '\\')
                        fputc('\\', f);
                fputc(*c, f);
        }
        fprintf(f, "\",\"exit\":%d}\n", code);
}
