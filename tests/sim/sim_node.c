/* One node: its core, keyring, journal and spool, and how actions are carried out. */

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/hosts.h"
#include "tests/sim/sim_parts.h"

#define SIGN_TIME  (60 * NSEC_PER_USEC)
#define SYNC_TIME  (800 * NSEC_PER_USEC)
#define SPOOL_TIME (100 * NSEC_PER_USEC)

/* A node's journal is made the day before: hosts refuse jobs from before theirs. */
#define JOURNAL_AGE_US (86400 * INT64_C(1000000))

/* ---- Keyring ---- */

/* In place of Ed25519: nobody forges in these runs, and it is forty times faster. */
static struct signature hash_sign(const struct sign_public *key, struct bytes message) {
        struct hash_value h = hash_of2("quorate.sim.sign", sign_public_bytes(key), message);
        struct signature sig = {};

        memcpy(sig.bytes, h.bytes, HASH_SIZE);
        return sig;
}

static bool hash_verify(const struct sign_public *key, struct bytes message,
                        struct bytes signature) {
        struct signature want = hash_sign(key, message);

        return bytes_equal(signature_bytes(&want), signature);
}

static void fire_signed(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        coordinator_signed(n->core, e->id, refbuf_bytes(e->data), refbuf_bytes(e->more), s->now);
        sim_drain(n);
}

static void do_sign(struct sim_node *n, const struct action *a) {
        struct sim_event *e = sim_after(n->sim, n->index, SIGN_TIME, fire_signed);
        struct signature sig = n->sim->settings.real_signatures
                                       ? sign_make(&n->secret, refbuf_bytes(a->data))
                                       : hash_sign(&n->key, refbuf_bytes(a->data));

        e->id = a->id;
        e->data = refbuf_ref(a->data);
        e->more = refbuf_new(signature_bytes(&sig));
}

/* ---- Journal ---- */

static void fire_journalled(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        coordinator_journalled(n->core, e->id, s->now);
        sim_drain(n);
}

static void journal_sync(struct sim_node *n, uint64_t id) {
        n->synced = nsec_max(n->sim->now, n->synced) + SYNC_TIME;
        if (id)
                sim_after(n->sim, n->index, n->synced - n->sim->now, fire_journalled)->id = id;
}

static void do_journal(struct sim_node *n, const struct action *a) {
        struct sim_record *r = xnew(struct sim_record);

        journal_sync(n, a->id);
        r->kind = (enum journal_kind) a->n;
        r->job = a->hash;
        r->data = refbuf_ref(a->data);
        r->durable = n->synced;
        list_push_back(&n->journal, &r->link);
}

static void fire_recalled(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        coordinator_recalled(n->core, e->id, e->data ? refbuf_bytes(e->data) : BYTES_NONE, s->now);
        sim_drain(n);
}

static void do_recall(struct sim_node *n, const struct action *a) {
        struct sim_event *e = sim_after(n->sim, n->index, SPOOL_TIME, fire_recalled);

        e->id = a->id;
        LIST_FOREACH (it, &n->journal) {
                const struct sim_record *r = LIST_ENTRY(it, struct sim_record, link);

                if (r->kind == (enum journal_kind) a->n && hash_equal(&r->job, &a->hash)) {
                        refbuf_unref(e->data);
                        e->data = refbuf_ref(r->data);
                }
        }
}

static void do_receipt(struct sim_node *n, const struct action *a) {
        journal_sync(n, a->id);
        refbuf_unref(n->receipt);
        n->receipt = refbuf_ref(a->data);
        n->n_receipts++;
}

/* What was not synced when the node went down is gone. */
static void tear_journal(struct sim_node *n) {
        LIST_FOREACH_SAFE (it, &n->journal) {
                struct sim_record *r = LIST_ENTRY(it, struct sim_record, link);

                if (r->durable <= n->sim->now)
                        continue;
                list_remove(&r->link);
                refbuf_unref(r->data);
                free(r);
        }
}

/* ---- Spool ---- */

struct spool {
        struct buffer bytes;
};

static void do_spool_write(struct sim_node *n, const struct action *a) {
        struct spool *sp = map_get_u64(n->spools, a->id);

        if (!sp) {
                sp = xnew(struct spool);
                buffer_init(&sp->bytes, 1u << 30);
                map_set_u64(n->spools, a->id, sp);
        }
        buffer_put_bytes(&sp->bytes, refbuf_bytes(a->data));
}

static void fire_spool(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        coordinator_spool_data(n->core, e->id, refbuf_bytes(e->data), s->now);
        sim_drain(n);
}

static void do_spool_read(struct sim_node *n, const struct action *a) {
        struct spool *sp = map_get_u64(n->spools, a->id);
        struct sim_event *e = sim_after(n->sim, n->index, SPOOL_TIME, fire_spool);

        check(sp && a->offset + a->n <= sp->bytes.len);
        e->id = a->id;
        e->data = refbuf_new(BYTES(sp->bytes.data + a->offset, a->n));
}

static void do_spool_drop(struct sim_node *n, const struct action *a) {
        struct spool *sp = map_remove_u64(n->spools, a->id);

        if (!sp)
                return;
        buffer_done(&sp->bytes);
        free(sp);
}

/* ---- The rest ---- */

static void do_work_end(struct sim_node *n, const struct action *a) {
        sim_worker_end(n, a->id);
}
static void do_reply(struct sim_node *n, const struct action *a) {
        sim_client_reply(n->sim, a);
}
static void do_client(struct sim_node *n, const struct action *a) {
        sim_client_data(n->sim, a);
}
static void do_nothing(struct sim_node *n, const struct action *a) {
}

static void (*const doers[_ACTION_N])(struct sim_node *, const struct action *) = {
        [ACTION_OPEN] = sim_link_open,         [ACTION_SEND] = sim_link_send,
        [ACTION_CONSUMED] = sim_link_consumed, [ACTION_FINISH] = sim_link_finish,
        [ACTION_RESET] = sim_link_reset,       [ACTION_SIGN] = do_sign,
        [ACTION_WORK] = sim_worker_start,      [ACTION_WORK_FETCH] = sim_worker_fetch,
        [ACTION_WORK_CONSUMED] = do_nothing,   [ACTION_WORK_RELEASE] = do_work_end,
        [ACTION_WORK_CANCEL] = do_work_end,    [ACTION_JOURNAL] = do_journal,
        [ACTION_RECALL] = do_recall,           [ACTION_RECEIPT] = do_receipt,
        [ACTION_SPOOL_WRITE] = do_spool_write, [ACTION_SPOOL_READ] = do_spool_read,
        [ACTION_SPOOL_DROP] = do_spool_drop,   [ACTION_REPLY] = do_reply,
        [ACTION_CLIENT] = do_client,           [ACTION_CLIENT_FINISH] = do_nothing,
        [ACTION_EVENT] = do_nothing,
};

static void fire_tick(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        n->tick = NULL;
        coordinator_expire(n->core, s->now);
        sim_drain(n);
}

static void arm(struct sim_node *n) {
        nsec_t when = coordinator_deadline(n->core);

        if (when == NSEC_NEVER && !n->tick)
                return;
        if (!n->tick)
                n->tick = sim_after(n->sim, n->index, 0, fire_tick);
        heap_set(&n->sim->events, &n->tick->entry, nsec_max(when, n->sim->now));
}

void sim_drain(struct sim_node *n) {
        struct action a = {};

        while (coordinator_output(n->core, &a)) {
                check(doers[a.type]);
                doers[a.type](n, &a);
                action_done(&a);
        }
        arm(n);
}

/* ---- Up and down ---- */

static void tell_candidates(struct sim_node *n) {
        CLEANUP(freep) struct candidate *list = xnew_n(struct candidate, SIM_NODES_MAX);
        size_t count = 0;

        for (unsigned i = 0; i < n->sim->settings.n_nodes; i++) {
                const struct sim_node *other = &n->sim->nodes[i];
                struct endpoint e = endpoint_ip4(other->ip, 4001);

                if (i == 0)
                        continue; /* asks, and serves nobody */
                list[count].peer = other->peer;
                list[count].addresses[0] = multiaddr_from_endpoint(&e);
                list[count].n_addresses = 1;
                list[count].origin = ORIGIN_PINNED;
                for (size_t k = 0; k < other->n_engines; k++)
                        (void) strcpy(list[count].claims.engines[k], other->engines[k]);
                list[count].claims.n_engines = other->n_engines;
                count++;
        }
        coordinator_candidates(n->core, list, count, n->sim->now);
}

static void fire_candidates(struct sim *s, struct sim_event *e) {
        tell_candidates(&s->nodes[e->node]);
        sim_drain(&s->nodes[e->node]);
}

static void set_clock(struct sim_node *n, int64_t behind_us) {
        struct sim *s = n->sim;

        coordinator_clock(n->core, s->now,
                          SIM_WALL_US - behind_us + (int64_t) ((s->now + n->skew) / NSEC_PER_USEC));
}

static void restore(struct sim_node *n, bool horizons) {
        LIST_FOREACH (it, &n->journal) {
                struct sim_record *r = LIST_ENTRY(it, struct sim_record, link);
                bool is_horizon =
                        r->kind == JOURNAL_HOST_HORIZON || r->kind == JOURNAL_RECHECK_HORIZON;

                if (is_horizon == horizons)
                        check(!coordinator_restore(n->core, r->kind, refbuf_bytes(r->data),
                                                   n->sim->now));
        }
}

void sim_node_boot(struct sim_node *n) {
        struct coordinator_settings settings = n->sim->settings.coordinator;
        struct sim *s = n->sim;

        settings.host.fault = n->fault;
        n->is_up = true;
        n->streams = map_new(rng_u64(&s->rng));
        n->runs = map_new(rng_u64(&s->rng));
        n->spools = map_new(rng_u64(&s->rng));
        n->next_inbound = 1;
        n->core = coordinator_new(&settings, &n->peer, rng_u64(&s->rng));
        if (!s->settings.real_signatures)
                coordinator_verifier(n->core, hash_verify);
        set_clock(n, list_is_empty(&n->journal) ? JOURNAL_AGE_US : 0);
        restore(n, true);
        restore(n, false);
        coordinator_capacity(n->core,
                             &(struct governor_worker){ .slots = 8, .memory = UINT64_C(8) << 30 },
                             1, n->engines, n->n_engines, s->now);
        coordinator_start(n->core, s->now);
        set_clock(n, 0);
        if (n->epoch > 0) /* after a restart they become known a little later */
                sim_after(s, n->index, rng_below(&s->rng, 100 * NSEC_PER_MSEC), fire_candidates);
        else
                tell_candidates(n);
        sim_drain(n);
}

static void drop_spools(struct sim_node *n) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(n->spools, &cursor, &key, &value)) {
                struct spool *sp = value;

                buffer_done(&sp->bytes);
                free(sp);
        }
        n->spools = map_free(n->spools);
}

void sim_node_down(struct sim_node *n) {
        if (!n->is_up)
                return;
        n->is_up = false;
        n->down_since = n->sim->now;
        tear_journal(n);
        sim_link_lose_all(n);
        sim_worker_done(n);
        drop_spools(n);
        n->runs = map_free(n->runs);
        n->streams = map_free(n->streams);
        n->core = coordinator_free(n->core);
        n->epoch++;
        n->tick = NULL;
        n->synced = n->sent = 0;
}
