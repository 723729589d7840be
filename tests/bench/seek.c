/* What bench_discovery.py runs against running nodes: calls to their sockets, timed here so that
 * no process start is counted. One JSON object on stdout.
 * usage: seek lookup N RUNTIME…   N lookups of random keys, one at a time, each by the next node
 *        seek records N RUNTIME…  every node puts N names, one after the other, all nodes at once;
 *                                 then gets those of the next node
 *        seek held N RUNTIME…     lists what a node keeps for others, and gets N of them
 *        seek candidate RUNTIME   waits for the first draw of gossip that is not empty, and the
 * first candidate of the coordinator; when that was (CLOCK_BOOTTIME) */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/bus.h"
#include "common/daemon/capability.h"
#include "common/daemon/loop.h"
#include "proto/coordinator.pb-c.h"
#include "proto/dht.pb-c.h"
#include "proto/gossip.pb-c.h"

#define NODES_MAX 64
#define TIMEOUT   (60 * NSEC_PER_SEC)
#define PAGE      200

struct name {
        uint8_t data[256];
        size_t len;
};

/* One node, asked one thing after the other. */
struct asker {
        struct seek *seek;
        size_t index;
        struct bus_client *bus;
        struct rpc_client *rpc;
        nsec_t began;
        bool is_busy;
        unsigned done;
        struct name *names; /* of what it put, or keeps for others */
        size_t n_names;
};

struct seek {
        struct loop *loop;
        struct asker askers[NODES_MAX];
        size_t n;
        unsigned each; /* of every node */
        double *took;  /* ms, of every call */
        size_t n_took;
        const struct verb *verb;
        bool is_over;
};

/* A call of one kind, and what is kept of its answer. */
struct verb {
        const char *method;
        void (*ask)(struct asker *a);
        void (*take)(struct asker *a, const void *reply);
};

static void die(const char *what) {
        fprintf(stderr, "seek: %s\n", what);
        exit(1);
}

static void on_done(void *userdata, const struct rpc_result *result) {
        struct asker *a = userdata;
        struct seek *s = a->seek;

        if (result->code != RPC_OK)
                die(result->text);
        s->took[s->n_took++] = (double) (loop_now(s->loop) - a->began) / 1e6;
        a->is_busy = false;
        a->done++;
        if (s->verb->take)
                s->verb->take(a, result->message);
}

static void call(struct asker *a, const void *message) {
        a->began = loop_now(a->seek->loop);
        (void) rpc_call(a->rpc, a->seek->verb->method, message, TIMEOUT, on_done, a);
}

/* ---- verbs ---- */

static void ask_closest(struct asker *a) {
        Dht__FindClosestRequest in = DHT__FIND_CLOSEST_REQUEST__INIT;
        uint8_t key[32];

        check(getrandom(key, sizeof(key), 0) == sizeof(key));
        in.key = (ProtobufCBinaryData){ sizeof(key), key };
        in.timeout_ms = TIMEOUT / NSEC_PER_MSEC;
        call(a, &in);
}

static void ask_put(struct asker *a) {
        Dht__PutRequest in = DHT__PUT_REQUEST__INIT;
        uint8_t root[32];
        char label[32];

        check(getrandom(root, sizeof(root), 0) == sizeof(root));
        (void) snprintf(label, sizeof(label), "bench-%u", a->done);
        in.kind = (char *) "name";
        in.label = label;
        in.payload = (ProtobufCBinaryData){ sizeof(root), root };
        call(a, &in);
}

static void keep_name(struct asker *a, ProtobufCBinaryData name) {
        check(name.len <= sizeof(a->names->data));
        a->names = xrealloc(a->names, (a->n_names + 1) * sizeof(*a->names));
        memcpy(a->names[a->n_names].data, name.data, name.len);
        a->names[a->n_names++].len = name.len;
}

static void take_put(struct asker *a, const void *reply) {
        const Dht__PutReply *out = reply;

        if (out->stored == 0)
                die("nobody stored it");
        keep_name(a, out->name);
}

static void get(struct asker *a, struct name *name) {
        Dht__GetRequest in = DHT__GET_REQUEST__INIT;

        in.name = (ProtobufCBinaryData){ name->len, name->data };
        in.timeout_ms = TIMEOUT / NSEC_PER_MSEC;
        call(a, &in);
}

static void ask_get_of_next(struct asker *a) {
        get(a, &a->seek->askers[(a->index + 1) % a->seek->n].names[a->done]);
}

static void ask_get_held(struct asker *a) {
        get(a, &a->names[(a->done * UINT64_C(2654435761)) % a->n_names]);
}

static void take_get(struct asker *a, const void *reply) {
        if (((const Dht__GetReply *) reply)->n_records == 0)
                die("it is not found");
}

static const struct verb verb_lookup = { "FindClosest", ask_closest, NULL };
static const struct verb verb_put = { "Put", ask_put, take_put };
static const struct verb verb_get = { "Get", ask_get_of_next, take_get };
static const struct verb verb_get_held = { "Get", ask_get_held, take_get };

/* ---- asking ---- */

static void connect_to(struct seek *s, const char *runtime, const char *capability,
                       const ProtobufCServiceDescriptor *service) {
        struct asker *a = &s->askers[s->n];
        char path[CAPABILITY_PATH_SIZE];
        const struct bus_client_options options = { .path = path, .service = "bench" };

        if (s->n == NODES_MAX)
                die("at most 64 nodes");
        check(capability_path(runtime, capability, false, path) == 0);
        while (access(path, F_OK)) /* a node that is being started */
                (void) usleep(1000);
        a->seek = s;
        a->index = s->n++;
        check(bus_client_new(s->loop, &options, &a->bus) == 0);
        a->rpc = rpc_client_new(bus_client_link(a->bus), service);
}

static bool is_over(const struct seek *s) {
        for (size_t i = 0; i < s->n; i++)
                if (s->askers[i].done < s->each)
                        return false;
        return true;
}

/* `at_once` calls, at most one of each node; seconds. */
static double run(struct seek *s, const struct verb *verb, unsigned each, size_t at_once) {
        nsec_t began = loop_now(s->loop);
        size_t next = 0;

        s->verb = verb;
        s->each = each;
        s->took = xrealloc(s->took, (s->n * each + 1) * sizeof(*s->took));
        s->n_took = 0;
        for (size_t i = 0; i < s->n; i++)
                s->askers[i].done = 0;
        while (!is_over(s)) {
                size_t busy = 0;

                for (size_t i = 0; i < s->n; i++)
                        busy += s->askers[i].is_busy;
                for (size_t i = 0; i < s->n && busy < at_once; i++) {
                        struct asker *a = &s->askers[next++ % s->n];

                        if (a->is_busy || a->done == each)
                                continue;
                        a->is_busy = true;
                        busy++;
                        verb->ask(a);
                }
                check(loop_turn(s->loop, NSEC_PER_SEC) >= 0);
        }
        return (double) (loop_now(s->loop) - began) / 1e9;
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static double percentile(struct seek *s, double share) {
        qsort(s->took, s->n_took, sizeof(*s->took), by_value);
        return s->took[(size_t) ((double) (s->n_took - 1) * share + 0.5)];
}

static void connect_all(struct seek *s, char **runtimes, const char *capability,
                        const ProtobufCServiceDescriptor *service) {
        for (; *runtimes; runtimes++)
                connect_to(s, *runtimes, capability, service);
}

/* ---- what is measured ---- */

static void lookup(struct seek *s, unsigned n, char **runtimes) {
        connect_all(s, runtimes, "dht/lookup", &dht__lookup__descriptor);
        (void) run(s, &verb_lookup, 1, s->n); /* the links are up */
        (void) run(s, &verb_lookup, n / (unsigned) s->n, 1);
        printf("{\"lookup_p50_ms\":%.3f,\"lookup_p99_ms\":%.3f}\n", percentile(s, 0.5),
               percentile(s, 0.99));
}

static void records(struct seek *s, unsigned n, char **runtimes) {
        double seconds, count;

        connect_all(s, runtimes, "dht/records", &dht__records__descriptor);
        seconds = run(s, &verb_put, n, s->n);
        count = (double) s->n * n;
        printf("{\"put_per_s\":%.3f,\"put_p50_ms\":%.3f,", count / seconds, percentile(s, 0.5));
        seconds = run(s, &verb_get, n, s->n);
        printf("\"get_per_s\":%.3f,\"get_p50_ms\":%.3f}\n", count / seconds, percentile(s, 0.5));
}

struct listing {
        struct asker *asker;
        bool is_done, is_last;
};

static void on_page(void *userdata, const struct rpc_result *result) {
        const Dht__ListReply *reply = result->message;
        struct listing *l = userdata;

        if (result->code != RPC_OK)
                die(result->text);
        for (size_t i = 0; i < reply->n_records; i++)
                keep_name(l->asker, reply->records[i]->name);
        l->is_last = !reply->truncated;
        l->is_done = true;
}

static void list(struct seek *s, struct asker *a) {
        struct listing l = { .asker = a };

        while (!l.is_last) {
                Dht__ListRequest in = DHT__LIST_REQUEST__INIT;
                const struct name *last = a->n_names > 0 ? &a->names[a->n_names - 1] : NULL;

                in.foreign = true;
                in.max = PAGE;
                if (last)
                        in.after = (ProtobufCBinaryData){ last->len, (uint8_t *) last->data };
                l.is_done = false;
                (void) rpc_call(a->rpc, "List", &in, TIMEOUT, on_page, &l);
                while (!l.is_done)
                        check(loop_turn(s->loop, NSEC_PER_SEC) >= 0);
        }
}

static void held(struct seek *s, unsigned n, char **runtimes) {
        connect_all(s, runtimes, "dht/records", &dht__records__descriptor);
        list(s, &s->askers[0]);
        if (s->askers[0].n_names == 0)
                die("nothing is kept");
        (void) run(s, &verb_get_held, n, 1);
        printf("{\"held\":%zu,\"held_get_p50_ms\":%.3f}\n", s->askers[0].n_names,
               percentile(s, 0.5));
}

static void on_status(void *userdata, const struct rpc_result *result) {
        const Coordinator__AdminStatus *reply = result->message;
        struct asker *a = userdata;

        a->is_busy = false;
        a->done = result->code == RPC_OK && reply->candidates > 0;
}

static void ask_status(struct asker *a) {
        const Types__Empty in = TYPES__EMPTY__INIT;

        (void) rpc_call(a->rpc, "Status", &in, TIMEOUT, on_status, a);
}

static void on_drawn(void *userdata, const struct rpc_result *result) {
        const Gossip__DrawReply *reply = result->message;
        struct asker *a = userdata;

        a->is_busy = false;
        a->done = result->code == RPC_OK && reply->n_candidates > 0;
}

static void ask_draw(struct asker *a) {
        Gossip__DrawRequest in = GOSSIP__DRAW_REQUEST__INIT;

        (void) rpc_call(a->rpc, "Draw", &in, TIMEOUT, on_drawn, a);
}

/* Asks both again and again, until each has answered with one; a->began: when. */
static void candidate(struct seek *s, const char *runtime) {
        void (*const ask[])(struct asker *) = { ask_draw, ask_status };
        nsec_t until = nsec_add(loop_now(s->loop), TIMEOUT);

        connect_to(s, runtime, "gossip/candidates", &gossip__candidates__descriptor);
        connect_to(s, runtime, "coordinator/admin", &coordinator__admin__descriptor);
        s->each = 1;
        while (!is_over(s)) {
                if (loop_now(s->loop) > until)
                        die("no candidate in a minute");
                for (size_t i = 0; i < s->n; i++) {
                        struct asker *a = &s->askers[i];

                        if (a->done || a->is_busy)
                                continue;
                        a->is_busy = true;
                        ask[i](a);
                }
                check(loop_turn(s->loop, NSEC_PER_MSEC) >= 0);
                for (size_t i = 0; i < s->n; i++)
                        if (s->askers[i].done && !s->askers[i].began)
                                s->askers[i].began = loop_now(s->loop);
                (void) usleep(1000);
        }
        printf("{\"drawn_at\":%.6f,\"candidate_at\":%.6f}\n", (double) s->askers[0].began / 1e9,
               (double) s->askers[1].began / 1e9);
}

int main(int argc, char **argv) {
        static struct seek s;
        unsigned n = argc > 3 ? (unsigned) atoi(argv[2]) : 0;

        if (argc < 3 || loop_new(&s.loop))
                die("usage: seek lookup|records|held N RUNTIME… | candidate RUNTIME");
        if (strcmp(argv[1], "candidate") == 0)
                candidate(&s, argv[2]);
        else if (n == 0)
                die("how many?");
        else if (strcmp(argv[1], "lookup") == 0)
                lookup(&s, n, argv + 3);
        else if (strcmp(argv[1], "records") == 0)
                records(&s, n, argv + 3);
        else
                held(&s, n, argv + 3);
        return 0;
}
