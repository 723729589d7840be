/* dht/lookup: protobuf on one side, struct dht on the other. One function per rpc. */

#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "services/dht/shell_parts.h"

#define FOUND_MAX     20
#define PROVIDERS_MAX 64

static struct shell *shell_of(Dht__Lookup_Service *service) {
        return ((struct lookup_service *) service)->shell;
}

/* ---- Calls under way ---- */

uint64_t shell_pend(struct shell *s, struct call *call, uint32_t max,
                    void (*end)(struct shell *s, struct pending_call *p, unsigned code,
                                const char *text)) {
        struct pending_call *p = xnew(struct pending_call);
        uint64_t id = ++s->next_call;

        p->call = call;
        p->max = max;
        p->end = end;
        p->results = xnew_n(struct dht_result *, max);
        (void) map_set_u64(s->calls, id, p);
        return id;
}

static void pending_free(struct pending_call *p) {
        for (size_t i = 0; i < p->n; i++)
                dht_result_free(p->results[i]);
        free(p->results);
        free(p);
}

void shell_do_result(struct shell *s, struct dht_action *a) {
        struct pending_call *p = map_get_u64(s->calls, a->id);

        if (p && p->n < p->max)
                p->results[p->n++] = TAKE(a->result);
}

void shell_do_done(struct shell *s, struct dht_action *a) {
        struct pending_call *p = map_remove_u64(s->calls, a->id);

        if (!p)
                return;
        p->stored = a->copies;
        p->asked = a->asked;
        p->end(s, p, (unsigned) a->n, a->event.text);
        pending_free(p);
}

bool shell_call_failed(struct pending_call *p, unsigned code, const char *text) {
        static const char *const texts[] = {
                [DHT_E_NOT_FOUND] = "nobody who should have it has it",
                [DHT_E_NO_PEERS] = "no peer is known now; `quorate status` says what came of the "
                                   "places to begin",
                [DHT_E_REFUSED] = "refused by the record table",
                [DHT_E_TIMED_OUT] = "timed out",
                [DHT_E_BUSY] = "too many lookups are under way; try again",
                [DHT_E_BAD_KEY] = "a key has 1 to 1024 bytes",
                [DHT_E_KEYRING] = "keyring did not sign",
                [DHT_E_INVALID] = "against the record table",
        };

        if (code == DHT_OK)
                return false;
        if (!text)
                text = code < ELEMENTSOF(texts) && texts[code] ? texts[code] : "failed";
        call_fail(p->call, (int) code, "%s", text);
        return true;
}

/* ---- Contacts ---- */

static Dht__Contact *put_contact(struct call *call, const struct contact *c, bool hint) {
        struct multiaddr addresses[CONTACT_ADDRESSES_MAX];
        size_t n = contact_addresses(c, addresses, CONTACT_ADDRESSES_MAX);
        Dht__Contact *out = call_alloc(call, sizeof(*out));

        dht__contact__init(out);
        out->peer = (ProtobufCBinaryData){ c->peer.len, call_alloc(call, c->peer.len + 1u) };
        memcpy(out->peer.data, c->peer.bytes, c->peer.len);
        out->addresses = call_alloc(call, (n + 1) * sizeof(*out->addresses));
        for (size_t i = 0; i < n; i++) {
                out->addresses[i] = (ProtobufCBinaryData){ addresses[i].len,
                                                           call_alloc(call, addresses[i].len) };
                memcpy(out->addresses[i].data, addresses[i].bytes, addresses[i].len);
        }
        out->n_addresses = n;
        out->hint = hint;
        return out;
}

static Dht__Contact **put_contacts(struct pending_call *p, size_t *ret_n) {
        Dht__Contact **list = call_alloc(p->call, (p->n + 1) * sizeof(*list));
        size_t n = 0;

        for (size_t i = 0; i < p->n; i++)
                if (!peer_id_is_none(&p->results[i]->contact.peer))
                        list[n++] = put_contact(p->call, &p->results[i]->contact,
                                                p->results[i]->is_unverified);
        *ret_n = n;
        return list;
}

/* ---- The services ---- */

static const char *source_of(const struct dht_result *r) {
        return r->is_of_table ? "table" : r->is_connected ? "connected" : "lookup";
}

static void end_peer(struct shell *s, struct pending_call *p, unsigned code, const char *text) {
        Dht__FindPeerReply reply = DHT__FIND_PEER_REPLY__INIT;

        if (shell_call_failed(p, code, text))
                return;
        if (p->n == 0) {
                call_fail(p->call, DHT_E_NOT_FOUND, "nobody knows where that peer is");
                return;
        }
        reply.contact = put_contact(p->call, &p->results[0]->contact, p->results[0]->is_unverified);
        reply.source = (char *) source_of(p->results[0]);
        call_reply(p->call, &reply);
}

static void lookup_find_peer(Dht__Lookup_Service *service, const Dht__FindPeerRequest *in,
                             Dht__FindPeerReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);
        struct peer_id peer;

        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer)) {
                call_fail(call, DHT_E_BAD_KEY, "not a peer id");
                return;
        }
        dht_find_peer(s->core, shell_pend(s, call, 1, end_peer), &peer, shell_now(s));
        shell_turn(s);
}

static void end_closest(struct shell *s, struct pending_call *p, unsigned code, const char *text) {
        Dht__FindClosestReply reply = DHT__FIND_CLOSEST_REPLY__INIT;

        if (shell_call_failed(p, code, text))
                return;
        reply.contacts = put_contacts(p, &reply.n_contacts);
        call_reply(p->call, &reply);
}

static bool key_from(const Dht__FindClosestRequest *in, struct key *ret) {
        if (in->key.len == KEY_SIZE)
                memcpy(ret->bytes, in->key.data, KEY_SIZE);
        else if (in->key.len == 0 && in->name.len > 0)
                *ret = key_of(BYTES(in->name.data, in->name.len));
        else
                return false;
        return true;
}

static void reply_known(struct shell *s, struct call *call, const struct key *key, size_t max) {
        Dht__FindClosestReply reply = DHT__FIND_CLOSEST_REPLY__INIT;
        struct contact list[FOUND_MAX];
        size_t n = dht_closest_known(s->core, key, list, max);

        reply.contacts = call_alloc(call, (n + 1) * sizeof(*reply.contacts));
        for (size_t i = 0; i < n; i++) {
                reply.contacts[reply.n_contacts++] = put_contact(call, &list[i], false);
                contact_done(&list[i]);
        }
        call_reply(call, &reply);
}

static void lookup_find_closest(Dht__Lookup_Service *service, const Dht__FindClosestRequest *in,
                                Dht__FindClosestReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        uint32_t max = in->count > 0 && in->count < FOUND_MAX ? in->count : FOUND_MAX;
        struct shell *s = shell_of(service);
        struct key key;

        if (!key_from(in, &key)) {
                call_fail(call, DHT_E_BAD_KEY, "a key has 32 bytes; or give a name");
                return;
        }
        if (in->local) {
                reply_known(s, call, &key, max);
                return;
        }
        dht_find_closest(s->core, shell_pend(s, call, max, end_closest), &key, shell_now(s));
        shell_turn(s);
}

static void end_providers(struct shell *s, struct pending_call *p, unsigned code,
                          const char *text) {
        Dht__FindProvidersReply reply = DHT__FIND_PROVIDERS_REPLY__INIT;

        if (code != DHT_E_NOT_FOUND && shell_call_failed(p, code, text))
                return;
        reply.providers = put_contacts(p, &reply.n_providers);
        reply.asked = p->asked;
        call_reply(p->call, &reply);
}

static void lookup_find_providers(Dht__Lookup_Service *service, const Dht__ProviderRequest *in,
                                  Dht__FindProvidersReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        uint32_t max = in->max > 0 && in->max < PROVIDERS_MAX ? in->max : PROVIDERS_MAX;
        struct shell *s = shell_of(service);

        dht_find_providers(s->core, shell_pend(s, call, max, end_providers),
                           BYTES(in->name.data, in->name.len), max, shell_now(s));
        shell_turn(s);
}

static void put_counters(struct shell *s, struct call *call, Dht__StatusReply *ret) {
        const struct dht_counter *counters;
        struct streams_counter streams[STREAMS_COUNTERS];
        size_t n = dht_counters(s->core, &counters);

        streams_counters(s->streams, streams);
        ret->metrics = call_alloc(call, (n + STREAMS_COUNTERS) * sizeof(*ret->metrics));
        for (size_t i = 0; i < n + STREAMS_COUNTERS; i++) {
                Types__Metric *m = call_alloc(call, sizeof(*m));

                types__metric__init(m);
                m->name = (char *) (i < n ? counters[i].name : streams[i - n].name);
                m->value = (double) (i < n ? counters[i].value : streams[i - n].value);
                ret->metrics[ret->n_metrics++] = m;
        }
}

static void lookup_status(Dht__Lookup_Service *service, const Types__Empty *in,
                          Dht__StatusReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Dht__StatusReply reply = DHT__STATUS_REPLY__INIT;
        struct shell *s = shell_of(service);
        struct dht_status status;

        dht_status(s->core, &status);
        reply.server = status.is_server;
        reply.mode_reason = (char *) status.mode_reason;
        reply.peers = status.peers;
        reply.servers = status.servers;
        reply.buckets = status.buckets;
        reply.size = status.size;
        reply.size_low = status.size_low;
        reply.size_high = status.size_high;
        reply.seen_hour = status.seen_hour;
        reply.seen_day = status.seen_day;
        reply.seen_week = status.seen_week;
        reply.records = status.store.records;
        reply.bytes = status.store.bytes;
        reply.providers = status.store.providers;
        reply.lookups = status.lookups;
        reply.bootstrapped = status.is_bootstrapped;
        reply.outage = status.has_outage;
        put_counters(s, call, &reply);
        shell_places_put(s, call, &reply);
        call_reply(call, &reply);
}

static void lookup_deny(Dht__Lookup_Service *service, const Dht__DenyRequest *in,
                        Types__Empty_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        CLEANUP(freep) struct peer_id *peers = NULL;
        const Types__Empty reply = TYPES__EMPTY__INIT;
        struct shell *s = shell_of(service);
        bool is_good = in->n_peers <= DHT_DENIED_MAX;

        peers = xnew_n(struct peer_id, is_good ? in->n_peers + 1 : 1);
        for (size_t i = 0; is_good && i < in->n_peers; i++)
                is_good = peer_id_parse(BYTES(in->peers[i].data, in->peers[i].len), &peers[i]);
        if (!is_good) {
                call_fail(call, DHT_E_BAD_KEY, "at most %d peers, all of them peer ids",
                          DHT_DENIED_MAX);
                return;
        }
        dht_deny_list(s->core, peers, in->n_peers, shell_now(s));
        shell_turn(s);
        call_reply(call, &reply);
}

const Dht__Lookup_Service dht_lookup_service = DHT__LOOKUP__INIT(lookup_);

/* ---- Life ---- */

int shell_serve(struct shell *s) {
        int r;

        s->lookup = (struct lookup_service){ dht_lookup_service, s };
        s->lookup_rpc = rpc_server_new(s->loop, &s->lookup.base.base, 0);
        shell_keys_follow(s);
        r = bus_serve(s->ctx, "dht/lookup", s->lookup_rpc, NULL, &s->lookup_bus);
        if (r)
                return log_fault(r, "cannot serve dht/lookup");
        return shell_serve_records(s);
}

void shell_serve_stop(struct shell *s) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(s->calls, &cursor, &key, &value)) {
                struct pending_call *p = value;

                call_fail(p->call, RPC_E_GONE, "dht is stopping");
                pending_free(p);
        }
        shell_serve_records_stop(s);
        s->lookup_bus = bus_server_free(s->lookup_bus);
        s->lookup_rpc = rpc_server_free(s->lookup_rpc);
}
