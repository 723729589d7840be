/* Provider records: what is pinned, public and here is announced under its finding key, and
 * withdrawn when one of these no longer holds. That others were told is on disk before they
 * are, so that a withdrawal outlives a crash. */

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "proto/dht.pb-c.h"
#include "services/coordinator/shell_dataset.h"
#include "services/coordinator/shell_discovery.h"

#define CALLS_MAX      4
#define CALL_TIMEOUT   (60 * NSEC_PER_SEC)
#define AGAIN          (12 * 3600 * NSEC_PER_SEC) /* dht keeps a provider for 48 h */
#define RETRY          (15 * NSEC_PER_SEC)
#define MAP_SEED       0x74656c6c /* roots are hashes: nobody chooses where they fall */
#define SEARCHES_MAX   16
#define SEARCH_MS      5000
#define SEARCH_TIMEOUT (7 * NSEC_PER_SEC)

/* Multihash of BLAKE2b-256: code 0xb220 as a varint, length 32. */
#define MULTIHASH_SIZE (4 + HASH_SIZE)

static void multihash_of(const struct hash_value *root, uint8_t ret[MULTIHASH_SIZE]) {
        static const uint8_t head[4] = { 0xa0, 0xe4, 0x02, HASH_SIZE };
        struct hash_value key = manifest_finding_key(root);

        memcpy(ret, head, sizeof(head));
        memcpy(ret + sizeof(head), key.bytes, HASH_SIZE);
}

/* A dataset of which others are to hear something; forgotten when they know that it is gone.
 * In datasets.tellings, by its root. */
struct telling {
        struct shell *shell;
        struct hash_value root;
        nsec_t due;
        bool is_calling, is_on, has_warned;
};

static void telling_free(struct telling *t) {
        map_remove(t->shell->datasets->tellings, hash_bytes(&t->root));
        free(t);
}

static bool is_to_announce(const struct shell *s, const struct hash_value *root,
                           const struct store_keep *keep) {
        CLEANUP(buffer_donep) struct buffer manifest = {};
        struct manifest m;

        return keep->flags & STORE_KEEP_PINNED && store_has(s->store, root) &&
               dataset_facts(s, root, &manifest, &m) && dataset_is_public(&m);
}

static void warn_once(struct telling *t, const struct rpc_result *result) {
        if (!t->has_warned)
                log_notice("dht was not told of a dataset (%s); it is told again every %d s",
                           result->text, (int) (RETRY / NSEC_PER_SEC));
        t->has_warned = true;
}

/* Nobody is told any more that it is here. */
static void withdrawn(struct telling *t) {
        struct shell *s = t->shell;
        struct store_keep keep;

        (void) store_keep_of(s->store, &t->root, &keep);
        if (keep.flags & STORE_KEEP_ANNOUNCED) {
                keep.flags &= (uint8_t) ~STORE_KEEP_ANNOUNCED;
                /* If the disk refuses, it is withdrawn once more after a restart. */
                (void) store_set_keep(s->store, &t->root, &keep);
        }
        telling_free(t);
}

/* `due` is NSEC_NEVER unless something changed during the call. */
static void on_told(void *userdata, const struct rpc_result *result) {
        struct telling *t = userdata;
        struct shell *s = t->shell;

        t->is_calling = false;
        if (result->code == RPC_E_CANCELLED)
                return;
        s->datasets->n_calls--;
        if (result->code != RPC_OK) {
                warn_once(t, result);
                t->due = nsec_min(t->due, nsec_add(shell_now(s), RETRY));
                return;
        }
        s->counters.announcements++;
        if (t->due == NSEC_NEVER && !t->is_on)
                withdrawn(t);
        else
                t->due = nsec_min(t->due, nsec_add(shell_now(s), AGAIN));
}

static void tell(struct telling *t) {
        struct shell *s = t->shell;
        Dht__ProvideRequest request = DHT__PROVIDE_REQUEST__INIT;
        uint8_t name[MULTIHASH_SIZE];
        struct store_keep keep;

        (void) store_keep_of(s->store, &t->root, &keep);
        t->is_on = is_to_announce(s, &t->root, &keep);
        if (!t->is_on && !(keep.flags & STORE_KEEP_ANNOUNCED)) {
                telling_free(t);
                return;
        }
        multihash_of(&t->root, name);
        request.name = (ProtobufCBinaryData){ sizeof(name), name };
        request.on = t->is_on;
        t->due = NSEC_NEVER;
        t->is_calling = true;
        s->datasets->n_calls++;
        rpc_call(s->datasets->records_rpc, "Provide", &request, CALL_TIMEOUT, on_told, t);
}

void dataset_announce_tick(struct shell *s) {
        struct datasets *d = s->datasets;
        struct bytes key;
        void *value;
        size_t cursor = 0;

        if (!d->has_records)
                return;
        while (map_next(d->tellings, &cursor, &key, &value)) {
                struct telling *t = value;

                if (d->n_calls < CALLS_MAX && !t->is_calling && shell_now(s) >= t->due)
                        tell(t);
        }
}

/* While a call is under way the change is told after it. */
void dataset_announce_look(struct shell *s, const struct hash_value *root) {
        struct telling *t = map_get(s->datasets->tellings, hash_bytes(root));
        struct store_keep keep;

        if (!t && !store_keep_of(s->store, root, &keep))
                return;
        if (!t) {
                t = xnew(struct telling);
                t->shell = s;
                t->root = *root;
                map_set(s->datasets->tellings, hash_bytes(root), t);
        }
        t->due = 0;
        dataset_announce_tick(s);
}

/* ---- Who else has it ---- */

struct search {
        struct shell *shell;
        struct hash_value root;
};

static bool take_provider(const struct shell *s, const Dht__Contact *in, struct candidate *ret) {
        *ret = (struct candidate){ .origin = ORIGIN_DHT };
        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &ret->peer) ||
            peer_id_equal(&ret->peer, &s->self) || coordinator_is_denied(s->core, &ret->peer))
                return false;
        for (size_t i = 0; i < in->n_addresses && ret->n_addresses < CANDIDATE_ADDRESSES_MAX; i++)
                if (multiaddr_parse(BYTES(in->addresses[i].data, in->addresses[i].len),
                                    &ret->addresses[ret->n_addresses]) == MULTIADDR_OK)
                        ret->n_addresses++;
        return true;
}

static void on_found(void *userdata, const struct rpc_result *result) {
        CLEANUP(freep) struct search *search = userdata;
        CLEANUP(freep) struct candidate *found = xnew_n(struct candidate, FETCH_PROVIDERS_MAX + 1);
        const Dht__FindProvidersReply *in = result->message;
        struct shell *s = search->shell;
        unsigned asked = 0;
        size_t n = 0;

        if (!s->core || !s->datasets || result->code == RPC_E_CANCELLED)
                return;
        s->datasets->n_searches--;
        for (size_t i = 0; result->code == RPC_OK && i < in->n_providers; i++)
                if (n < FETCH_PROVIDERS_MAX)
                        n += take_provider(s, in->providers[i], &found[n]);
        if (result->code == RPC_OK)
                asked = in->asked;
        shell_data_found(s->data, &search->root, found, n, asked);
}

/* Whoever may dispatch jobs to us can make us search, so not more than a few at a time. */
bool shell_dataset_search(void *userdata, const struct hash_value *root) {
        Dht__ProviderRequest request = DHT__PROVIDER_REQUEST__INIT;
        uint8_t name[MULTIHASH_SIZE];
        struct shell *s = userdata;
        struct search *search;

        if (s->datasets->n_searches >= SEARCHES_MAX) {
                s->counters.data_searches_refused++;
                return false;
        }
        s->datasets->n_searches++;
        search = xnew(struct search);
        search->shell = s;
        search->root = *root;
        multihash_of(root, name);
        request.name = (ProtobufCBinaryData){ sizeof(name), name };
        request.max = FETCH_PROVIDERS_MAX;
        request.timeout_ms = SEARCH_MS;
        s->counters.data_searches++;
        rpc_call(s->discovery->dht_rpc, "FindProviders", &request, SEARCH_TIMEOUT, on_found,
                 search);
        return true;
}

/* ---- Life ---- */

static void on_up(void *userdata) {
        struct shell *s = userdata;
        struct bytes key;
        void *value;
        size_t cursor = 0;

        s->datasets->has_records = true;
        while (map_next(s->datasets->tellings, &cursor, &key, &value))
                ((struct telling *) value)->due = 0;
        dataset_announce_tick(s);
}

static void on_down(void *userdata) {
        ((struct shell *) userdata)->datasets->has_records = false;
}

static bool begin_telling(void *userdata, const struct store_item *item) {
        if (item->keep.flags)
                dataset_announce_look(userdata, &item->root);
        return true;
}

int dataset_announce_start(struct shell *s) {
        struct datasets *d = s->datasets;
        int r;

        d->tellings = map_new(MAP_SEED);
        r = bus_connect(s->ctx, "dht/records", NULL, &d->records_bus);

        if (r)
                return log_fault(r, "cannot connect to dht/records below %s", s->ctx->runtime);
        d->records_rpc = rpc_client_new(bus_client_link(d->records_bus), &dht__records__descriptor);
        rpc_client_watch(d->records_rpc, on_up, on_down, s);
        store_each(s->store, begin_telling, s);
        return 0;
}

void dataset_announce_stop(struct shell *s) {
        struct datasets *d = s->datasets;
        struct bytes key;
        void *value;
        size_t cursor = 0;

        d->records_rpc = rpc_client_free(d->records_rpc); /* its calls end, and touch nothing */
        d->records_bus = bus_client_free(d->records_bus);
        while (d->tellings && map_next(d->tellings, &cursor, &key, &value))
                free(value);
        d->tellings = map_free(d->tellings);
}
