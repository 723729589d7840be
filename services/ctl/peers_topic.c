#include "services/ctl/peers_topic.h"

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/record.h"
#include "services/ctl/discovery.h"
#include "services/ctl/json.h"
#include "services/ctl/peer_list.h"
#include "services/ctl/people.h"
#include "services/ctl/table.h"
#include "services/ctl/topic_names.h"

#define HEARD_MAX 200 /* presences; a reply of the bus has bounded fields */

static const struct table_column columns[] = {
        { "PEER" },
        { "SAID", .right = true },
        { "ADDRESS", .widest = 60 },
        {},
};

struct shown {
        const struct command_context *ctx;
        const struct peers_topic *what;
        struct table table;
        struct peer_list known;                 /* where those are that do not say it */
        struct unpacked replies[MEETING_HOURS]; /* what `peers` points into */
        ProtobufCBinaryData *peers;
        size_t n, asked, n_unknown;
};

static bool is_shown(const struct shown *s, ProtobufCBinaryData peer) {
        for (size_t i = 0; i < s->n; i++)
                if (bytes_equal(people_bytes(s->peers[i]), people_bytes(peer)))
                        return true;
        return false;
}

/* Members of a network say where they are; others say what they like. */
static ProtobufCBinaryData *addresses_of(const Dht__Record *r,
                                         struct multiaddr list[RECORD_ADDRESSES_MAX],
                                         ProtobufCBinaryData ret[RECORD_ADDRESSES_MAX],
                                         size_t *ret_n) {
        *ret_n = 0;
        if (!endpoint_payload_read(people_bytes(r->payload), list, ret_n))
                *ret_n = 0;
        for (size_t i = 0; i < *ret_n; i++)
                ret[i] = people_data(multiaddr_bytes(&list[i]));
        return ret;
}

static void ask_known(struct shown *s) {
        Transport__ListRequest links = TRANSPORT__LIST_REQUEST__INIT;
        Gossip__PeersRequest heard = GOSSIP__PEERS_REQUEST__INIT;
        CLEANUP(unpacked_donep) struct unpacked linked = {};
        CLEANUP(unpacked_donep) struct unpacked told = {};
        char why[256];

        links.known = true;
        heard.max = HEARD_MAX;
        if (ctl_try(s->ctx, &discovery_links, "List", &links, &linked, why) == 0)
                peer_list_add_links(&s->known, &linked);
        if (ctl_try(s->ctx, &discovery_candidates, "Peers", &heard, &told, why) == 0)
                peer_list_add_heard(&s->known, &told);
        peer_list_merge(&s->known);
}

/* As transport or gossip know it; NULL: neither does. */
static const char *known_address(const struct shown *s, ProtobufCBinaryData peer, char ret[1024]) {
        for (size_t i = 0; i < s->known.n_rows; i++) {
                const struct peer_row *r = &s->known.rows[i];

                if (!bytes_equal(peer_id_bytes(&r->peer), people_bytes(peer)))
                        continue;
                if (r->link && *r->link->address)
                        return text_escape(BYTES_STR(r->link->address), ret, 1024);
                if (r->presence && r->presence->n_addresses > 0)
                        return people_address(r->presence->addresses[0], ret);
        }
        return NULL;
}

static void show_json(const Dht__Record *r, const ProtobufCBinaryData *said, size_t n,
                      const char *known) {
        bool first = true;

        fputc('{', stdout);
        people_json_peer("peer", r->publisher, &first);
        json_member_u64(stdout, "age_ms", r->age_ms, &first);
        if (n == 0 && known)
                people_json_texts("addresses", (char *const[]){ (char *) known }, 1, &first);
        else
                people_json_addresses("addresses", said, n, &first);
        people_json_bytes("payload", people_bytes(r->payload), &first);
        fputs("}\n", stdout);
}

static void show_one(struct shown *s, const Dht__Record *r) {
        char id[PEER_ID_TEXT_SIZE], shown[PEOPLE_SHORT_SIZE], age[PEOPLE_AGE_SIZE], text[1024];
        ProtobufCBinaryData addresses[RECORD_ADDRESSES_MAX];
        struct multiaddr list[RECORD_ADDRESSES_MAX];
        const char *known;
        size_t n;

        (void) addresses_of(r, list, addresses, &n);
        known = n > 0 ? people_address(addresses[0], text) : known_address(s, r->publisher, text);
        if (s->ctx->common.json) {
                show_json(r, addresses, n, known);
                return;
        }
        s->n_unknown += !known;
        table_cell(&s->table, "%s",
                   s->ctx->common.verbose ? people_peer(r->publisher, id)
                                          : people_short(r->publisher, shown));
        table_cell(&s->table, "%s", people_age(r->age_ms, age));
        table_cell(&s->table, "%s", known ? known : "-");
}

static int show_name(struct shown *s, const char *label, struct unpacked *u) {
        struct call_target target = discovery_within(&discovery_records, s->what->timeout);
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        char name[TOPIC_NAME_MAX + 16];
        const Dht__GetReply *m;
        int code;

        (void) snprintf(name, sizeof(name), "/topic/%s", label);
        request.name = people_data(BYTES_STR(name));
        request.timeout_ms = discovery_ms(s->what->timeout);
        code = ctl_call(s->ctx, &target, "FindTopic", &request, u);
        if (code)
                return code;
        m = u->message;
        s->asked += m->asked;
        s->peers = xrealloc(s->peers, (s->n + m->n_records + 1) * sizeof(*s->peers));
        for (size_t i = 0; i < m->n_records && s->n < s->what->max_peers; i++) {
                if (is_shown(s, m->records[i]->publisher))
                        continue;
                s->peers[s->n++] = m->records[i]->publisher;
                show_one(s, m->records[i]);
        }
        return EXIT_OK;
}

int peers_topic_show(const struct command_context *ctx, const struct peers_topic *what) {
        struct shown s = { .ctx = ctx, .what = what };
        struct topic_names names;
        int code = topic_names_of(ctx, "peers", what->topic, what->secret_file, &names);

        if (code)
                return code;
        table_init(&s.table, columns);
        ask_known(&s);
        for (size_t i = 0; i < names.n && code == EXIT_OK; i++)
                code = show_name(&s, names.list[i], &s.replies[i]);
        table_show(ctx, &s.table);
        if (code == EXIT_OK && s.n == 0 && !ctx->common.json)
                printf("nobody says so; %zu peers were asked\n", s.asked);
        if (s.n_unknown > 0)
                puts("of -, neither they nor this node say where they are; `quorate find PEER` "
                     "asks");
        for (size_t i = 0; i < names.n; i++)
                unpacked_done(&s.replies[i]);
        peer_list_done(&s.known);
        table_done(&s.table);
        free(s.peers);
        return code;
}
