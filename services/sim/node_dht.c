#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/record.h"
#include "common/wire/unpack.h"
#include "common/wire/varint.h"
#include "proto/keyring.pb-c.h"
#include "services/sim/measure.h"
#include "services/sim/node.h"

/* The dht half of an honest node: what services/dht/shell*.c do, on the transport model. */

#define POW_BITS     16 /* that every node is said to have done: no key is ground here */
#define RECORD_TTL   (24 * 3600)
#define PADDING      7             /* addresses that bring an endpoint record to 1 KiB … */
#define PADDING_NAME "%055u.%055u" /* … each with such a name */
#define PROFILE_SIZE 700
#define FOUND_MAX    32

/* ---- Life ---- */

static void configure(const struct node *n, struct dht_config *ret) {
        const struct sim_settings *s = &n->net->settings;

        dht_config_default(ret);
        ret->mode = n->is_hidden ? DHT_MODE_CLIENT : DHT_MODE_SERVER;
        ret->without_subnet_caps = s->without_subnet_caps;
        ret->without_paths = s->without_paths;
        ret->without_regions = s->without_regions;
        ret->without_age = s->without_age;
        ret->without_density = s->without_density;
        ret->without_turns = s->without_turns;
}

void node_dht_begin(struct node *n, struct node *const *at, size_t n_at) {
        uint64_t seed = n->net->settings.seed * UINT64_C(1000003) + n->life;
        struct store store = disk_store(&n->disk);
        struct multiaddr address = multiaddr_from_endpoint(&n->endpoint);
        nsec_t now = n->net->now;
        struct keeper_config keeper;
        struct dht_config config;

        configure(n, &config);
        keeper_config_default(&keeper);
        n->dht = dht_new(&config, &n->peer, &store, seed);
        dht_verifier(n->dht, keys_verify, &n->net->keys);
        n->keeper = keeper_new(&keeper, n->dht, &n->peer, seed + 1);
        n->is_described = n->is_located = !n->net->settings.records;
        dht_clock(n->dht, now, node_wall_us(n));
        dht_addresses(n->dht, &address, 1, now);
        for (size_t i = 0; i < n_at; i++)
                dht_bootstrap(n->dht, &at[i]->contact, BOOTSTRAP_CONFIG, now);
        dht_start(n->dht, now);
}

static void gathering_free(struct list *link);

void node_dht_end(struct node *n) {
        n->dht = dht_free(n->dht);
        n->keeper = keeper_free(n->keeper);
        LIST_FOREACH_SAFE (it, &n->gatherings)
                gathering_free(it);
}

struct dht_remote node_remote(const struct node *n, const struct node *of) {
        const struct link *l = links_find(n->net, n, of);

        return (struct dht_remote){ .contact = of->contact,
                                    .endpoint = of->endpoint,
                                    .is_inbound = l && l->slot[LINK_LISTENER] == n->slot,
                                    .is_server = of->is_serving,
                                    .pow_bits = POW_BITS,
                                    .rtt = 100 * NSEC_PER_MSEC };
}

/* ---- keyring ---- */

static void sign(struct node *n, uint64_t id, struct bytes request) {
        CLEANUP(unpacked_donep) struct unpacked unpacked = {};
        CLEANUP(buffer_donep) struct buffer b = {};
        const Keyring__SignRecordRequest *in;
        struct signature signature;
        struct record_statement s;

        buffer_init(&b, RECORD_BYTES_MAX);
        check(wire_unpack(&keyring__sign_record_request__descriptor, request, NULL, &unpacked) ==
              UNPACK_OK);
        in = unpacked.message;
        s = (struct record_statement){ .kind = in->kind,
                                       .network = BYTES_STR(in->network),
                                       .label = BYTES(in->label.data, in->label.len),
                                       .publisher = n->peer,
                                       .sequence = in->sequence,
                                       .created_us = in->created_us,
                                       .ttl_s = in->ttl_s,
                                       .payload = BYTES(in->payload.data, in->payload.len) };
        check(record_encode(&s, &b) == RECORD_OK);
        signature = keys_sign(&n->net->keys, &n->secret, BYTES_NONE, buffer_bytes(&b));
        dht_signed(n->dht, id, buffer_bytes(&b), signature_bytes(&signature), n->net->now);
}

/* ---- Its own two records, of about 1 KiB each ---- */

static void on_described(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct node *n = userdata;

        n->is_described = r->code == KEEPER_OK;
        if (n->is_described && !n->is_attacker)
                measure_published(n->net, r->name, r->sequence);
}

static void on_located(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct node *n = userdata;

        n->is_located = r->code == KEEPER_OK;
        if (n->is_located && !n->is_attacker)
                measure_published(n->net, r->name, r->sequence);
}

static void describe(struct node *n) {
        uint8_t payload[PROFILE_SIZE] = {};
        struct profile_payload profile = { .name = BYTES_NONE };
        struct buffer b = buffer_over(payload, sizeof(payload));

        memcpy(profile.x25519, n->contact.key.bytes, sizeof(profile.x25519));
        profile_payload_put(&b, &profile);
        keeper_put(n->keeper,
                   &(struct keeper_record){ .kind = RECORD_PROFILE,
                                            .payload = BYTES_OF(payload),
                                            .ttl_s = RECORD_TTL },
                   &(struct keeper_call){ .done = on_described, .userdata = n }, n->net->now);
}

static void locate(struct node *n) {
        struct multiaddr address = multiaddr_from_endpoint(&n->endpoint);
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, RECORD_PAYLOAD_MAX);
        buffer_put_prefixed(&b, multiaddr_bytes(&address));
        for (unsigned i = 0; i < PADDING; i++) {
                char text[192];

                (void) snprintf(text, sizeof(text), "/dns4/" PADDING_NAME "/udp/4001/quic-v1", i,
                                n->slot);
                check(multiaddr_from_text(BYTES_STR(text), &address) == MULTIADDR_OK);
                buffer_put_prefixed(&b, multiaddr_bytes(&address));
        }
        keeper_put(n->keeper,
                   &(struct keeper_record){ .kind = RECORD_ENDPOINT,
                                            .payload = buffer_bytes(&b),
                                            .ttl_s = RECORD_TTL },
                   &(struct keeper_call){ .done = on_located, .userdata = n }, n->net->now);
}

void node_dht_tick(struct node *n) {
        bool is_published = n->is_described && n->is_located;
        struct dht_status status;

        if (is_published && n->n_ticks % 3 != 0)
                return;
        dht_status(n->dht, &status);
        if (status.size > 0)
                keeper_region(n->keeper, 20 / status.size);
        if (n->gossip)
                gossip_size(n->gossip, status.size, n->net->now);
        if (is_published || !status.is_bootstrapped || status.peers == 0)
                return;
        if (!n->is_described)
                describe(n);
        if (!n->is_located)
                locate(n);
}

/* ---- Look-ups for gossip ---- */

struct gathering {
        struct list link;
        uint64_t id; /* of gossip */
        size_t n, max;
        struct gossip_contact list[FOUND_MAX];
};

static void gathering_free(struct list *link) {
        list_remove(link);
        free(LIST_ENTRY(link, struct gathering, link));
}

static void take_contact(const struct contact *in, struct gossip_contact *ret) {
        *ret = (struct gossip_contact){ .peer = in->peer };
        ret->n_addresses = contact_addresses(in, ret->addresses, GOSSIP_ADDRESSES_MAX);
}

static void reply_known(struct node *n, const struct gossip_action *a) {
        struct gossip_contact list[FOUND_MAX];
        struct contact known[FOUND_MAX];
        struct key key;
        size_t count;

        memcpy(key.bytes, a->key, sizeof(key.bytes));
        count = dht_closest_known(n->dht, &key, known, a->n < FOUND_MAX ? a->n : FOUND_MAX);
        for (size_t i = 0; i < count; i++) {
                take_contact(&known[i], &list[i]);
                contact_done(&known[i]);
        }
        gossip_found(n->gossip, a->id, list, count, n->net->now);
}

void node_gather(struct node *n, const struct gossip_action *a) {
        struct gathering *g;
        struct key key;

        if (a->local) {
                reply_known(n, a);
                return;
        }
        g = xnew(struct gathering);
        g->id = a->id;
        g->max = a->n < FOUND_MAX ? a->n : FOUND_MAX;
        list_push_back(&n->gatherings, &g->link);
        memcpy(key.bytes, a->key, sizeof(key.bytes));
        dht_find_closest(n->dht, NODE_CALL_GOSSIP | a->id, &key, n->net->now);
}

bool node_gathered(struct node *n, const struct dht_action *a) {
        if (!(a->id & NODE_CALL_GOSSIP))
                return false;
        LIST_FOREACH_SAFE (it, &n->gatherings) {
                struct gathering *g = LIST_ENTRY(it, struct gathering, link);

                if (g->id != (a->id & ~NODE_CALL_GOSSIP))
                        continue;
                if (a->type == DHT_RESULT && g->n < g->max)
                        take_contact(&a->result->contact, &g->list[g->n++]);
                if (a->type == DHT_DONE) {
                        gossip_found(n->gossip, g->id, g->list, g->n, n->net->now);
                        gathering_free(it);
                }
                break;
        }
        return true;
}

/* ---- Actions ---- */

static enum purpose purpose_of(const struct dht_action *a) {
        if (a->call)
                return a->call & NODE_CALL_GOSSIP ? PURPOSE_MEMBERS : PURPOSE_USER;
        return a->is_for_records || a->protocol == DHT_PROTOCOL_RECORD ? PURPOSE_RECORDS
                                                                       : PURPOSE_REFRESH;
}

void node_dht_act(struct node *n, struct dht_action *a) {
        switch (a->type) {
        case DHT_ASK:
                links_ask(n->net, n,
                          &(struct sim_ask){ .protocol = (enum sim_protocol) a->protocol,
                                             .purpose = purpose_of(a),
                                             .wants_answer = a->n,
                                             .id = a->id,
                                             .to = &a->contact.peer,
                                             .data = a->data });
                break;
        case DHT_CONNECT:
                links_connect(n->net, n, &a->contact.peer, a->id, PURPOSE_REFRESH);
                break;
        case DHT_ANSWER:
        case DHT_REFUSE:
                links_answer(n->net, n, a->data, a->type == DHT_REFUSE);
                break;
        case DHT_SIGN:
                sign(n, a->id, refbuf_bytes(a->data));
                break;
        case DHT_SERVE:
                n->is_serving = a->n;
                break;
        case DHT_RESULT:
        case DHT_DONE:
                if (!node_gathered(n, a))
                        measure_result(n->net, n, a);
                break;
        default:
                break;
        }
}
