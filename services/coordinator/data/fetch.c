#include "services/coordinator/data/fetch.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/wire/packed.h"
#include "common/wire/unpack.h"
#include "proto/grid.pb-c.h"
#include "services/coordinator/data/provider.h"
#include "services/coordinator/data/serve.h"

#define STALL NSEC_PER_SEC /* quiet so long is no slip of the link */

enum chunk_state {
        CHUNK_WANTED = 0,
        CHUNK_ASKED,
        CHUNK_ASKED_TWICE, /* near the end an idle provider tries what another is slow with */
        CHUNK_HAVE,
};

struct fetch {
        struct hash_value root, finding_key;
        struct fetch_config config;
        const struct fetch_sink *sink;
        void *userdata;

        struct provider providers[FETCH_PROVIDERS_MAX];
        unsigned n_providers, turn; /* turn: who had the last action, so that all get theirs */

        struct bytes manifest_bytes; /* own copy; empty: not known yet */
        struct manifest manifest;
        struct hash_value *leaves; /* n_chunks of them */
        uint8_t *chunks;           /* enum chunk_state each */
        uint64_t n_chunks, n_leaves, n_have, cursor;
        uint64_t charged;

        struct provider
                *leaf_source; /* who is giving the leaf list, so that a wrong one has one author */
        bool leaves_known, ended;
        bool is_waiting, has_waited; /* for more providers */
        enum fetch_action_kind end;  /* FETCH_DONE or FETCH_FAILED still to be given out */
        int error;
};

static const char *const fault_names[] = {
        [FETCH_FAULT_NONE] = "ok",
        [FETCH_FAULT_UNREACHABLE] = "unreachable",
        [FETCH_FAULT_MISSING] = "does not have it",
        [FETCH_FAULT_SILENT] = "silent",
        [FETCH_FAULT_CLOSED] = "closed the stream",
        [FETCH_FAULT_MALFORMED] = "sent something malformed",
        [FETCH_FAULT_MANIFEST] = "sent a wrong manifest",
        [FETCH_FAULT_LEAVES] = "sent a wrong leaf list",
        [FETCH_FAULT_CHUNK] = "sent a wrong chunk",
        [FETCH_FAULT_PACKED] = "sent a chunk that does not unpack to what it is",
        [FETCH_FAULT_SLOW] = "slow with the leaf list",
        [FETCH_FAULT_NOTHING] = "gave nothing before the others were done",
        [FETCH_FAULT_STALLED] = "stalled",
};

const char *fetch_fault_name(enum fetch_fault fault) {
        return fault < ELEMENTSOF(fault_names) ? fault_names[fault] : "unknown";
}

const char *fetch_report_text(const struct fetch_report *r, char ret[FETCH_TEXT_SIZE]) {
        if (r->quiet == 0)
                (void) snprintf(ret, FETCH_TEXT_SIZE, "%s", fetch_fault_name(r->fault));
        else
                (void) snprintf(ret, FETCH_TEXT_SIZE, "stalled (no bytes in %.0f s)",
                                (double) r->quiet / NSEC_PER_SEC);
        return ret;
}

struct fetch *fetch_new(const struct hash_value *root, const struct fetch_config *config,
                        const struct fetch_sink *sink, void *userdata) {
        struct fetch *f = xnew(struct fetch);

        check(config->window >= 1 && config->window <= PROVIDER_WINDOW_MAX);
        f->root = *root;
        f->finding_key = manifest_finding_key(root);
        f->config = *config;
        f->sink = sink;
        f->userdata = userdata;
        return f;
}

struct fetch *fetch_free(struct fetch *f) {
        if (!f)
                return NULL;
        for (unsigned i = 0; i < f->n_providers; i++)
                provider_done(&f->providers[i]);
        if (f->charged > 0)
                budget_give(f->config.memory, f->charged);
        free((void *) f->manifest_bytes.data);
        free(f->leaves);
        free(f->chunks);
        free(f);
        return NULL;
}

static void finish(struct fetch *f, enum fetch_action_kind end, int error) {
        if (f->ended)
                return;
        f->ended = true;
        f->end = end;
        f->error = error;
}

/* Gives back to the pool what this provider was asked and has not delivered. */
static void release_owed(struct fetch *f, struct provider *p) {
        struct asked a;

        while (provider_settle(p, &a)) {
                if (a.kind != ASKED_CHUNK || f->chunks[a.index] == CHUNK_HAVE)
                        continue;
                f->chunks[a.index] =
                        f->chunks[a.index] == CHUNK_ASKED_TWICE ? CHUNK_ASKED : CHUNK_WANTED;
                if (a.index < f->cursor)
                        f->cursor = a.index;
        }
        p->deadline = NSEC_NEVER;
}

static void drop(struct fetch *f, struct provider *p, enum fetch_fault why) {
        if (p->state >= PROVIDER_DROPPING)
                return;
        p->state = why == FETCH_FAULT_CLOSED || why == FETCH_FAULT_UNREACHABLE ||
                                   why == FETCH_FAULT_STALLED
                           ? PROVIDER_GONE
                           : PROVIDER_DROPPING;
        p->report.fault = why;
        release_owed(f, p);
        if (f->leaf_source == p) {
                f->leaf_source = NULL;
                f->n_leaves = 0;
        }
}

static void fail_without_providers(struct fetch *f) {
        if (f->is_waiting)
                return;
        for (unsigned i = 0; i < f->n_providers; i++)
                if (f->providers[i].state < PROVIDER_DROPPING)
                        return;
        finish(f, FETCH_FAILED, 0);
}

static void ask(struct fetch *f, struct provider *p, struct asked what, nsec_t now) {
        if (p->n_owed == 0)
                p->deadline = nsec_add(now, f->config.silence);
        link_rate_wait(&p->link, now);
        provider_ask(p, p->is_stranger ? &f->finding_key : &f->root, &what);
}

/* The next chunk nobody was asked for; at the end one that only another is asked for. */
static bool next_chunk(struct fetch *f, const struct provider *p, uint64_t *ret) {
        while (f->cursor < f->n_chunks && f->chunks[f->cursor] != CHUNK_WANTED)
                f->cursor++;
        if (f->cursor < f->n_chunks) {
                *ret = f->cursor;
                return true;
        }
        if (p->n_owed > 0)
                return false;
        for (uint64_t i = 0; i < f->n_chunks; i++)
                if (f->chunks[i] == CHUNK_ASKED && !provider_owes(p, ASKED_CHUNK, i)) {
                        *ret = i;
                        return true;
                }
        return false;
}

static void ask_chunks(struct fetch *f, struct provider *p, nsec_t now) {
        uint64_t i;

        while (p->n_owed < f->config.window && next_chunk(f, p, &i)) {
                f->chunks[i]++;
                ask(f, p, (struct asked){ .kind = ASKED_CHUNK, .index = i }, now);
        }
}

#define LEAVES_SILENCES 4

static void ask_leaves(struct fetch *f, struct provider *p, nsec_t now) {
        uint64_t left = f->n_chunks - f->n_leaves;
        uint32_t count = left < DATA_LEAVES_MAX ? (uint32_t) left : DATA_LEAVES_MAX;

        if (f->leaf_source && f->leaf_source != p)
                return;
        f->leaf_source = p;
        if (provider_owes(p, ASKED_LEAVES, f->n_leaves))
                return;
        p->leaves_by = nsec_add(now, LEAVES_SILENCES * f->config.silence);
        ask(f, p, (struct asked){ .kind = ASKED_LEAVES, .index = f->n_leaves, .count = count },
            now);
}

static void ask_something(struct fetch *f, struct provider *p, nsec_t now) {
        if (p->state != PROVIDER_READY || f->ended)
                return;
        if (p->is_stranger || !f->manifest_bytes.data) {
                if (!provider_owes(p, ASKED_MANIFEST, 0))
                        ask(f, p, (struct asked){ .kind = ASKED_MANIFEST }, now);
        } else if (!f->leaves_known) {
                ask_leaves(f, p, now);
        } else {
                ask_chunks(f, p, now);
        }
}

/* Whoever stalls need not have been silent for long enough to be dropped. */
static void name_idle(struct fetch *f) {
        for (unsigned i = 0; i < f->n_providers; i++) {
                struct provider *p = &f->providers[i];
                bool is_asked = p->state == PROVIDER_OPENING || p->n_owed > 0;

                if (p->state < PROVIDER_DROPPING && is_asked && p->report.chunks == 0)
                        p->report.fault = FETCH_FAULT_NOTHING;
        }
}

static void finish_all(struct fetch *f) {
        if (!f->ended)
                name_idle(f);
        finish(f, FETCH_DONE, 0);
}

/* Providers whose turn may have come, and the end when there is nothing left to do. */
static void advance(struct fetch *f, nsec_t now) {
        if (f->leaves_known && f->n_have == f->n_chunks)
                finish_all(f);
        else if (f->n_providers > 0 || f->has_waited)
                fail_without_providers(f);
        for (unsigned i = 0; i < f->n_providers; i++)
                ask_something(f, &f->providers[i], now);
}

/* Takes a manifest whose hash is right; room for leaves and chunk states is charged here. */
static int adopt_manifest(struct fetch *f, struct bytes encoded) {
        uint64_t n, cost;

        f->manifest_bytes = BYTES(xmemdup(encoded.data, encoded.len), encoded.len);
        if (manifest_decode(f->manifest_bytes, &f->manifest) != MANIFEST_OK)
                return -EBADMSG;
        n = manifest_n_chunks(&f->manifest);
        cost = encoded.len + n * (HASH_SIZE + 1);
        if (budget_take(f->config.memory, cost) != BUDGET_OK)
                return -ENOBUFS;
        f->charged = cost;
        f->n_chunks = n;
        f->leaves = xnew_n(struct hash_value, n);
        f->chunks = xnew_n(uint8_t, n);
        return 0;
}

static bool leaves_match(const struct fetch *f) {
        struct merkle m;
        struct hash_value root;

        merkle_init(&m, &data_merkle_names);
        for (uint64_t i = 0; i < f->n_chunks; i++)
                merkle_add_leaf(&m, &f->leaves[i]);
        root = merkle_root(&m);
        return hash_equal(&root, &f->manifest.chunk_root);
}

/* A dataset without chunks has a leaf list without leaves. */
static int complete_leaves(struct fetch *f, bool tell) {
        if (!leaves_match(f))
                return -EBADMSG;
        f->leaves_known = true;
        return tell ? f->sink->leaves(f->userdata, f->leaves, f->n_chunks) : 0;
}

int fetch_resume(struct fetch *f, struct bytes manifest, const struct hash_value *leaves,
                 const bool *have) {
        struct hash_value root = manifest_root(manifest);
        int r;

        check(!f->manifest_bytes.data);
        if (!hash_equal(&root, &f->root))
                return -EBADMSG;
        r = adopt_manifest(f, manifest);
        if (r)
                return r;
        memcpy(f->leaves, leaves, f->n_chunks * sizeof(*leaves));
        r = complete_leaves(f, false);
        if (r)
                return r;
        f->n_leaves = f->n_chunks;
        for (uint64_t i = 0; i < f->n_chunks; i++)
                if (have[i]) {
                        f->chunks[i] = CHUNK_HAVE;
                        f->n_have++;
                }
        return 0;
}

/* NULL: it is there already, or there are enough. */
static struct provider *add(struct fetch *f, const struct peer_id *peer) {
        struct provider *p;

        for (unsigned i = 0; i < f->n_providers; i++)
                if (peer_id_equal(&f->providers[i].report.peer, peer))
                        return NULL;
        if (f->n_providers == FETCH_PROVIDERS_MAX)
                return NULL;
        p = &f->providers[f->n_providers++];
        provider_init(p, peer);
        return p;
}

void fetch_add_provider(struct fetch *f, const struct peer_id *peer, nsec_t now) {
        (void) now;
        (void) add(f, peer);
}

void fetch_add_stranger(struct fetch *f, const struct peer_id *peer, nsec_t now) {
        struct provider *p = add(f, peer);

        (void) now;
        if (p)
                p->is_stranger = true;
}

void fetch_wait(struct fetch *f, bool more, nsec_t now) {
        f->is_waiting = more;
        f->has_waited = true;
        if (!more)
                advance(f, now);
}

static void got_manifest(struct fetch *f, struct provider *p, const Grid__DataMessage *m) {
        struct bytes encoded = BYTES(m->manifest->manifest.data, m->manifest->manifest.len);
        struct hash_value root = manifest_root(encoded);
        int r;

        if (!hash_equal(&root, &f->root)) {
                drop(f, p, FETCH_FAULT_MANIFEST);
                return;
        }
        p->is_stranger = false;
        if (f->manifest_bytes.data)
                return;
        r = adopt_manifest(f, encoded);
        if (r == 0)
                r = f->sink->manifest(f->userdata, f->manifest_bytes, &f->manifest);
        if (r == 0 && f->n_chunks == 0)
                r = complete_leaves(f, true);
        if (r)
                finish(f, FETCH_FAILED, r);
}

static void got_leaves(struct fetch *f, struct provider *p, const struct asked *a,
                       const Grid__DataMessage *m) {
        const Grid__Leaves *l = m->leaves;
        int r;

        if (l->first != a->index || l->hashes.len != (size_t) a->count * HASH_SIZE) {
                drop(f, p, FETCH_FAULT_MALFORMED);
                return;
        }
        if (f->leaves_known || a->index != f->n_leaves)
                return;
        memcpy(f->leaves + f->n_leaves, l->hashes.data, l->hashes.len);
        f->n_leaves += a->count;
        if (f->n_leaves < f->n_chunks)
                return;
        r = complete_leaves(f, true);
        if (r == -EBADMSG)
                drop(f, p, FETCH_FAULT_LEAVES);
        else if (r)
                finish(f, FETCH_FAILED, r);
        f->leaf_source = NULL;
}

/* The chunk, right by its hash; a view into the message or *memory. A frame may not declare
 * anything but what the manifest says, so what is allocated for it is at most a chunk. */
static enum fetch_fault check_chunk(const struct fetch *f, uint64_t index, const Grid__Chunk *in,
                                    uint8_t **memory, struct bytes *ret) {
        struct packed sent = { in->codec, in->length, BYTES(in->data.data, in->data.len) };
        size_t len = manifest_chunk_len(&f->manifest, index);
        struct hash_value leaf;

        if (sent.codec == PACKED_PLAIN)
                sent.length = sent.data.len;
        if (sent.length != len)
                return sent.codec == PACKED_PLAIN ? FETCH_FAULT_CHUNK : FETCH_FAULT_PACKED;
        if (packed_open(&sent, len, memory, ret) != PACKED_OK)
                return FETCH_FAULT_PACKED;
        leaf = merkle_leaf(&data_merkle_names, *ret);
        return hash_equal(&leaf, &f->leaves[index]) ? FETCH_FAULT_NONE : FETCH_FAULT_CHUNK;
}

static void got_chunk(struct fetch *f, struct provider *p, const struct asked *a,
                      const Grid__DataMessage *m) {
        CLEANUP(freep) uint8_t *memory = NULL;
        enum fetch_fault fault;
        struct bytes data;
        int r;

        if (m->chunk->index != a->index) {
                drop(f, p, FETCH_FAULT_MALFORMED);
                return;
        }
        if (f->chunks[a->index] == CHUNK_HAVE)
                return;
        fault = check_chunk(f, a->index, m->chunk, &memory, &data);
        if (fault) {
                drop(f, p, fault);
                return;
        }
        r = f->sink->chunk(f->userdata, a->index, data);
        if (r) {
                finish(f, FETCH_FAILED, r);
                return;
        }
        f->chunks[a->index] = CHUNK_HAVE;
        f->n_have++;
        p->report.chunks++;
        p->report.bytes += data.len;
}

static void got_answer(struct fetch *f, struct provider *p, const struct asked *a,
                       const Grid__DataMessage *m) {
        if (m->body_case == GRID__DATA_MESSAGE__BODY_MANIFEST && a->kind == ASKED_MANIFEST)
                got_manifest(f, p, m);
        else if (m->body_case == GRID__DATA_MESSAGE__BODY_LEAVES && a->kind == ASKED_LEAVES)
                got_leaves(f, p, a, m);
        else if (m->body_case == GRID__DATA_MESSAGE__BODY_CHUNK && a->kind == ASKED_CHUNK)
                got_chunk(f, p, a, m);
        else
                drop(f, p,
                     m->body_case == GRID__DATA_MESSAGE__BODY_MISSING ? FETCH_FAULT_MISSING
                                                                      : FETCH_FAULT_MALFORMED);
}

static struct provider *provider_of(struct fetch *f, unsigned provider) {
        check(provider < f->n_providers);
        return &f->providers[provider];
}

/* What is owed again after `a` was taken off but not delivered. */
static void put_back(struct fetch *f, const struct asked *a) {
        if (a->kind != ASKED_CHUNK || f->chunks[a->index] == CHUNK_HAVE)
                return;
        f->chunks[a->index] = CHUNK_WANTED;
        if (a->index < f->cursor)
                f->cursor = a->index;
}

void fetch_frame(struct fetch *f, unsigned provider, struct bytes frame, nsec_t now) {
        static const struct unpack_limits limits = {
                .depth = 2, .fields = 16, .unknown = 8, .memory = DATA_ANSWER_MAX + (8 << 10)
        };
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct provider *p = provider_of(f, provider);
        struct asked a;
        bool owed;

        if (p->state != PROVIDER_READY || f->ended)
                return;
        owed = provider_settle(p, &a);
        if (!owed || wire_unpack(&grid__data_message__descriptor, frame, &limits, &u)) {
                drop(f, p, FETCH_FAULT_MALFORMED);
        } else {
                p->deadline = p->n_owed > 0 ? nsec_add(now, f->config.silence) : NSEC_NEVER;
                link_rate_moved(&p->link, frame.len, now);
                if (p->n_owed == 0)
                        link_rate_rest(&p->link);
                got_answer(f, p, &a, u.message);
        }
        if (owed && p->state != PROVIDER_READY)
                put_back(f, &a);
        advance(f, now);
}

void fetch_opened(struct fetch *f, unsigned provider, nsec_t now) {
        struct provider *p = provider_of(f, provider);

        if (p->state == PROVIDER_OPENING)
                p->state = PROVIDER_READY;
        p->deadline = NSEC_NEVER;
        advance(f, now);
}

static bool has_other(const struct fetch *f, const struct provider *p) {
        for (unsigned i = 0; i < f->n_providers; i++)
                if (&f->providers[i] != p && f->providers[i].state == PROVIDER_READY)
                        return true;
        return false;
}

/* Whoever drips leaves says something all the time, and nobody else is asked meanwhile. */
static bool drips_leaves(const struct fetch *f, const struct provider *p, nsec_t now) {
        return f->leaf_source == p && !f->leaves_known && now >= p->leaves_by && has_other(f, p);
}

void fetch_alive(struct fetch *f, unsigned provider, nsec_t now) {
        struct provider *p = provider_of(f, provider);

        if (p->state != PROVIDER_READY || p->n_owed == 0)
                return;
        p->deadline = nsec_add(now, f->config.silence);
        if (!drips_leaves(f, p, now))
                return;
        drop(f, p, FETCH_FAULT_SLOW);
        advance(f, now);
}

/* How long it has said nothing of what it owes. */
static nsec_t quiet_for(const struct fetch *f, const struct provider *p, nsec_t now) {
        return p->deadline == NSEC_NEVER ? 0
                                         : nsec_sub(now, nsec_sub(p->deadline, f->config.silence));
}

/* A node whose coordinator hangs has its streams closed for it: that is not what went wrong. */
void fetch_closed(struct fetch *f, unsigned provider, enum fetch_fault why, nsec_t now) {
        struct provider *p = provider_of(f, provider);
        nsec_t quiet = quiet_for(f, p, now);
        bool is_stalled = why == FETCH_FAULT_CLOSED && quiet >= STALL && p->state == PROVIDER_READY;

        if (is_stalled)
                p->report.quiet = quiet;
        drop(f, p, is_stalled ? FETCH_FAULT_STALLED : why);
        advance(f, now);
}

static bool provider_output(struct fetch *f, unsigned i, struct fetch_action *ret) {
        struct provider *p = &f->providers[i];

        *ret = (struct fetch_action){ .provider = i, .peer = p->report.peer };
        if (p->state == PROVIDER_NEW && !f->ended) {
                p->state = PROVIDER_OPENING;
                ret->kind = FETCH_OPEN;
        } else if (p->state == PROVIDER_DROPPING ||
                   (f->ended && p->state < PROVIDER_DROPPING && p->state != PROVIDER_NEW)) {
                p->state = PROVIDER_GONE;
                ret->kind = FETCH_DROP;
        } else if (p->state == PROVIDER_READY && p->out_given < p->out.len) {
                ret->kind = FETCH_SEND;
                ret->data = BYTES(p->out.data + p->out_given, p->out.len - p->out_given);
                p->out_given = p->out.len;
        }
        return ret->kind != FETCH_NONE;
}

bool fetch_output(struct fetch *f, struct fetch_action *ret) {
        for (unsigned i = 0; i < f->n_providers; i++) {
                f->turn = (f->turn + 1) % f->n_providers;
                if (provider_output(f, f->turn, ret))
                        return true;
        }
        if (f->end == FETCH_NONE)
                return false;
        *ret = (struct fetch_action){ .kind = f->end, .error = f->error };
        f->end = FETCH_NONE;
        return true;
}

nsec_t fetch_deadline(const struct fetch *f) {
        nsec_t first = NSEC_NEVER;

        for (unsigned i = 0; i < f->n_providers && !f->ended; i++)
                first = nsec_min(first, f->providers[i].deadline);
        return first;
}

void fetch_expire(struct fetch *f, nsec_t now) {
        bool late = false;

        for (unsigned i = 0; i < f->n_providers; i++)
                if (f->providers[i].deadline <= now) {
                        f->providers[i].report.quiet = quiet_for(f, &f->providers[i], now);
                        drop(f, &f->providers[i], FETCH_FAULT_SILENT);
                        late = true;
                }
        if (late || f->n_providers == 0)
                advance(f, now);
}

struct bytes fetch_manifest(const struct fetch *f) {
        return f->manifest_bytes;
}

void fetch_progress(const struct fetch *f, uint64_t *ret_have, uint64_t *ret_all) {
        *ret_have = f->n_have;
        *ret_all = f->n_chunks;
}

size_t fetch_reports(const struct fetch *f, struct fetch_report *ret, size_t max) {
        size_t n = f->n_providers < max ? f->n_providers : max;

        for (size_t i = 0; i < n; i++)
                ret[i] = f->providers[i].report;
        return n;
}
