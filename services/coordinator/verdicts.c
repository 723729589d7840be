#include "services/coordinator/verdicts.h"

#include "common/base/error.h"
#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/wire/unpack.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/replica.h"
#include "services/coordinator/retry.h"

#define TRIED_FOR  (60 * NSEC_PER_SEC) /* query.md: statements are exchanged within 60 s */
#define RECORD_MAX (16u << 10)         /* a statement of 8 KiB, four addresses */
#define FRAME_MAX  64                  /* the host has nothing to say on it */
#define MEMORY_MAX (VERDICTS_MAX * (uint64_t) RECORD_MAX / 4)

struct owed {
        struct verdicts *verdicts;
        struct list link;
        struct heap_entry timer; /* next try, or the end of patience with this one */
        struct hash_value job;
        struct candidate host;
        struct refbuf *record; /* as journalled: a packed journal.OwedVerdict */
        nsec_t until;
        unsigned attempts;
        bool has_lane, is_open;
        struct lane lane;
};

struct verdicts {
        struct core *core;
        struct rng rng;
        struct map *streams; /* id -> struct owed */
        struct map *hosts;   /* peer id -> how many are owed to it */
        struct list all;
        size_t n_all, n_streams;
        struct heap timers;
        struct budget memory;
        struct verdicts_counters counters;
};

struct verdicts *verdicts_new(struct core *core, uint64_t seed) {
        struct verdicts *v = xnew(struct verdicts);

        v->core = core;
        rng_init(&v->rng, seed);
        v->streams = map_new(seed);
        v->hosts = map_new(~seed);
        list_init(&v->all);
        heap_init(&v->timers);
        budget_init(&v->memory, MEMORY_MAX, NULL);
        return v;
}

static void drop_lane(struct owed *o) {
        if (!o->has_lane)
                return;
        (void) map_remove_u64(o->verdicts->streams, o->lane.id);
        lane_done(&o->lane);
        o->has_lane = o->is_open = false;
        o->verdicts->n_streams--;
}

static uintptr_t owed_to(const struct verdicts *v, const struct peer_id *host) {
        return (uintptr_t) map_get(v->hosts, peer_id_bytes(host));
}

static void owed_free(struct owed *o) {
        struct verdicts *v = o->verdicts;
        struct bytes host = peer_id_bytes(&o->host.peer);
        uintptr_t n = owed_to(v, &o->host.peer);

        drop_lane(o);
        if (n > 1)
                (void) map_set(v->hosts, host, (void *) (n - 1));
        else
                (void) map_remove(v->hosts, host);
        heap_remove(&v->timers, &o->timer);
        list_remove(&o->link);
        v->n_all--;
        budget_give(&v->memory, o->record->len);
        refbuf_unref(o->record);
        free(o);
}

struct verdicts *verdicts_free(struct verdicts *v) {
        if (!v)
                return NULL;
        LIST_FOREACH_SAFE (link, &v->all)
                owed_free(LIST_ENTRY(link, struct owed, link));
        map_free(v->streams);
        map_free(v->hosts);
        heap_done(&v->timers);
        free(v);
        return NULL;
}

const struct verdicts_counters *verdicts_count(const struct verdicts *v) {
        return &v->counters;
}

/* ---- Journal ---- */

static struct bytes pb(const ProtobufCBinaryData *v) {
        return (struct bytes){ v->data, v->len };
}

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

static void journal(struct owed *o, enum journal_kind kind) {
        struct action *a = actions_add(o->verdicts->core->actions, ACTION_JOURNAL, 0);

        a->n = kind;
        a->hash = o->job;
        a->data = refbuf_ref(o->record);
}

static struct refbuf *pack(const struct hash_value *job, const struct candidate *host,
                           const struct signed_bytes *verdict, int64_t wall_us) {
        Journal__OwedVerdict m = JOURNAL__OWED_VERDICT__INIT;
        ProtobufCBinaryData addresses[CANDIDATE_ADDRESSES_MAX];
        struct refbuf *packed;

        m.job = binary(hash_bytes(job));
        m.peer = binary(peer_id_bytes(&host->peer));
        m.addresses = addresses;
        m.n_addresses = host->n_addresses;
        for (size_t i = 0; i < host->n_addresses; i++)
                addresses[i] = binary(multiaddr_bytes(&host->addresses[i]));
        m.statement = binary(buffer_bytes(&verdict->bytes));
        m.signature = binary(BYTES_OF(verdict->signature));
        m.time_us = wall_us;
        packed = refbuf_alloc(journal__owed_verdict__get_packed_size(&m));
        journal__owed_verdict__pack(&m, packed->data);
        return packed;
}

/* Takes the reference over. NULL: over the budget. */
static struct owed *keep(struct verdicts *v, const struct hash_value *job,
                         const struct candidate *host, struct refbuf *record, nsec_t now) {
        struct owed *o;

        if (v->n_all >= VERDICTS_MAX || owed_to(v, &host->peer) >= VERDICTS_PER_HOST ||
            budget_take(&v->memory, record->len)) {
                refbuf_unref(record);
                v->counters.refused++;
                return NULL;
        }
        o = xnew(struct owed);
        o->verdicts = v;
        o->job = *job;
        o->host = *host;
        o->record = record;
        o->until = nsec_add(now, TRIED_FOR);
        list_push_back(&v->all, &o->link);
        v->n_all++;
        (void) map_set(v->hosts, peer_id_bytes(&host->peer),
                       (void *) (owed_to(v, &host->peer) + 1));
        v->counters.owed++;
        return o;
}

bool verdicts_owe(struct verdicts *v, const struct hash_value *job, const struct candidate *host,
                  const struct signed_bytes *verdict, nsec_t now) {
        struct refbuf *record = pack(job, host, verdict, core_wall_us(v->core, now));
        struct owed *o = keep(v, job, host, record, now);

        if (!o)
                return true;
        journal(o, JOURNAL_OWED);
        heap_set(&v->timers, &o->timer, now); /* in the next turn */
        return true;
}

static bool read_host(const Journal__OwedVerdict *m, struct candidate *ret) {
        *ret = (struct candidate){ .origin = ORIGIN_HISTORY };
        if (m->job.len != HASH_SIZE || !peer_id_parse(pb(&m->peer), &ret->peer) ||
            m->n_addresses > CANDIDATE_ADDRESSES_MAX)
                return false;
        for (size_t i = 0; i < m->n_addresses; i++)
                if (multiaddr_parse(pb(&m->addresses[i]), &ret->addresses[ret->n_addresses++]))
                        return false;
        return true;
}

static void withdraw(struct verdicts *v, struct bytes record) {
        LIST_FOREACH_SAFE (link, &v->all) {
                struct owed *o = LIST_ENTRY(link, struct owed, link);

                if (bytes_equal(refbuf_bytes(o->record), record))
                        owed_free(o);
        }
}

/* A minute from now: it was down for a while, the host may still want to know. */
int verdicts_restore(struct verdicts *v, enum journal_kind kind, struct bytes record, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct candidate host;
        struct hash_value job;
        struct owed *o;

        if (wire_unpack(&journal__owed_verdict__descriptor, record, NULL, &u) ||
            !read_host(u.message, &host))
                return 1;
        if (kind == JOURNAL_OWED_DROP) {
                withdraw(v, record);
                return 0;
        }
        memcpy(job.bytes, ((const Journal__OwedVerdict *) u.message)->job.data, HASH_SIZE);
        o = keep(v, &job, &host, refbuf_new(record), now);
        if (o)
                heap_set(&v->timers, &o->timer, now);
        return 0;
}

/* ---- Delivery ---- */

static void settle(struct owed *o, uint64_t *counter) {
        ++*counter;
        journal(o, JOURNAL_OWED_DROP);
        owed_free(o);
}

static void try_later(struct owed *o, nsec_t now) {
        struct verdicts *v = o->verdicts;
        const struct query_settings *s = &v->core->settings.query;

        drop_lane(o);
        heap_set(&v->timers, &o->timer,
                 nsec_min(o->until, nsec_add(now, retry_pause(s, o->attempts, &v->rng))));
}

static void open_stream(struct owed *o, nsec_t now) {
        struct verdicts *v = o->verdicts;
        uint64_t id = core_id(v->core, ROLE_REQUESTER);
        struct action *a;

        o->attempts++;
        v->counters.attempts++;
        v->n_streams++;
        map_set_u64(v->streams, id, o);
        lane_init(&o->lane, v->core->actions, id, 0, FRAME_MAX, &v->memory);
        o->has_lane = true;
        a = actions_add(v->core->actions, ACTION_OPEN, id);
        a->peer = o->host.peer;
        a->n_addresses = o->host.n_addresses;
        a->addresses = xmemdup(o->host.addresses, a->n_addresses * sizeof(o->host.addresses[0]));
        heap_set(&v->timers, &o->timer, nsec_add(now, v->core->settings.query.dial_timeout));
}

static void give_up_stream(struct owed *o, nsec_t now) {
        lane_reset(&o->lane);
        try_later(o, now);
}

static void on_timer(struct owed *o, nsec_t now) {
        struct verdicts *v = o->verdicts;

        if (now >= o->until) {
                if (o->has_lane)
                        lane_reset(&o->lane);
                settle(o, &v->counters.given_up);
        } else if (o->has_lane) {
                give_up_stream(o, now);
        } else if (v->n_streams >= VERDICTS_STREAMS) {
                try_later(o, now);
        } else {
                open_stream(o, now);
        }
}

nsec_t verdicts_deadline(const struct verdicts *v) {
        return heap_when(&v->timers);
}

void verdicts_expire(struct verdicts *v, nsec_t now) {
        struct heap_entry *e;

        while ((e = heap_pop_due(&v->timers, now)))
                on_timer(container_of(e, struct owed, timer), now);
}

/* ---- Its stream ---- */

static void say(struct owed *o) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Grid__Verdict verdict = GRID__VERDICT__INIT;
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        const Journal__OwedVerdict *in;

        check(!wire_unpack(&journal__owed_verdict__descriptor, refbuf_bytes(o->record), NULL, &u));
        in = u.message;
        verdict.statement = in->statement;
        verdict.signature = in->signature;
        m.body_case = GRID__JOB_MESSAGE__BODY_VERDICT;
        m.verdict = &verdict;
        if (lane_send(&o->lane, &m))
                lane_reset(&o->lane); /* no memory now: its timer tries again */
        lane_finish(&o->lane);
}

bool verdicts_opened(struct verdicts *v, uint64_t stream, const struct stream_remote *remote,
                     uint32_t window, nsec_t now) {
        struct owed *o = map_get_u64(v->streams, stream);

        if (!o)
                return false;
        if (o->is_open || !peer_id_equal(&remote->peer, &o->host.peer)) {
                give_up_stream(o, now);
                return true;
        }
        o->is_open = true;
        lane_window(&o->lane, window);
        say(o);
        heap_set(&v->timers, &o->timer,
                 nsec_min(o->until, nsec_add(now, v->core->settings.query.silence_timeout)));
        return true;
}

/* It has nothing to say here: whatever this is, it is no acknowledgement. */
bool verdicts_data(struct verdicts *v, uint64_t stream, nsec_t now) {
        struct owed *o = map_get_u64(v->streams, stream);

        if (o)
                give_up_stream(o, now);
        return o != NULL;
}

void verdicts_window(struct verdicts *v, uint64_t stream, uint32_t units) {
        struct owed *o = map_get_u64(v->streams, stream);

        if (o)
                lane_window(&o->lane, units);
}

void verdicts_finished(struct verdicts *v, uint64_t stream, nsec_t now) {
        struct owed *o = map_get_u64(v->streams, stream);

        if (!o)
                return;
        if (o->is_open && !o->lane.is_ended && lane_queued(&o->lane) == 0)
                settle(o, &v->counters.delivered);
        else
                give_up_stream(o, now);
}

void verdicts_closed(struct verdicts *v, uint64_t stream, nsec_t now) {
        struct owed *o = map_get_u64(v->streams, stream);

        if (o)
                try_later(o, now);
}
