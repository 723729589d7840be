/* quorate find, record, topic, mailbox, dht, status and doctor on discovery: against a node
 * made of scripts. */

#include "common/base/text.h"
#include "common/canonical/record.h"
#include "proto/coordinator.pb-c.h"
#include "proto/dht.pb-c.h"
#include "proto/gossip.pb-c.h"
#include "proto/keyring.pb-c.h"
#include "services/ctl/people.h"
#include "tests/support/test.h"
#include "tests/unit/ctl/scripted.h"

#define ONE    "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"
#define EVIL   "a\033[2Jb\nc"
#define RECORD "dht/records"
#define LOOKUP "dht/lookup"

static struct peer_id one;

static int setup(void **state) {
        assert_true(peer_id_from_text(BYTES_STR(ONE), &one));
        *state = scripted_new();
        return 0;
}

static int teardown(void **state) {
        *state = scripted_free(*state);
        return 0;
}

static ProtobufCBinaryData text_data(const char *text) {
        return people_data(BYTES_STR(text));
}

/* ---- find ---- */

static void test_find(void **state) {
        Dht__FindPeerReply reply = DHT__FIND_PEER_REPLY__INIT;
        Dht__Contact contact = DHT__CONTACT__INIT;
        ProtobufCBinaryData addresses[2];
        const Dht__FindPeerRequest *r;
        struct scripted *s = *state;
        struct multiaddr a;

        assert_int_equal(multiaddr_from_text(BYTES_STR("/ip4/192.0.2.1/udp/4001/quic-v1"), &a), 0);
        addresses[0] = people_data(multiaddr_bytes(&a));
        addresses[1] = text_data("\xff\xff"); /* of somebody who does not know multiaddrs */
        contact.peer = people_data(peer_id_bytes(&one));
        contact.addresses = addresses;
        contact.n_addresses = 2;
        reply.contact = &contact;
        reply.source = (char *) "record";
        scripted_serve(s, LOOKUP, &dht__lookup__descriptor);
        scripted_reply(s, LOOKUP, "FindPeer", &reply);
        scripted_fail(s, LOOKUP, "FindPeer", 1, "nobody knows where that peer is");
        assert_int_equal(RUN(s, "find", ONE, "-t", "3s"), 0);
        assert_string_equal(scripted_out(s), "peer      " ONE "\nsource    record\n"
                                             "verified  yes, it answered this node\n"
                                             "address   /ip4/192.0.2.1/udp/4001/quic-v1\n"
                                             "address   ?\n");
        r = scripted_request(s, LOOKUP, "FindPeer");
        assert_bytes_equal(people_bytes(r->peer), peer_id_bytes(&one));
        assert_int_equal(r->timeout_ms, 3000);
        assert_int_equal(RUN(s, "find", "--json", ONE), 5);
        assert_string_equal(scripted_err(s), "quorate: nobody knows where that peer is; look again "
                                             "when more peers are known (`quorate peers`)\n");
        assert_has(scripted_out(s), "\"exit\":5}");
}

/* ---- record ---- */

static Dht__Record record_of(const char *kind, const char *name, struct bytes payload) {
        Dht__Record r = DHT__RECORD__INIT;

        r.kind = (char *) kind;
        r.name = text_data(name);
        r.publisher = people_data(peer_id_bytes(&one));
        r.payload = people_data(payload);
        r.value = text_data("the whole as signed");
        r.sequence = 9;
        r.age_ms = 61000;
        r.expires_ms = 7200000;
        r.copies = 14;
        return r;
}

static void script_records(struct scripted *s, const char *method, Dht__Record *list, size_t n) {
        Dht__GetReply reply = DHT__GET_REPLY__INIT;
        Dht__Record *pointers[2];

        assert_true(n <= ELEMENTSOF(pointers));
        for (size_t i = 0; i < n; i++)
                pointers[i] = &list[i];
        reply.records = pointers;
        reply.n_records = n;
        reply.asked = 20;
        scripted_reply(s, RECORD, method, &reply);
}

static void test_record_get(void **state) {
        Dht__Record r = record_of("topic", "/topic/chess", BYTES_STR(EVIL));
        const Dht__GetRequest *request;
        struct scripted *s = *state;

        scripted_serve(s, RECORD, &dht__records__descriptor);
        script_records(s, "Get", &r, 1);
        assert_int_equal(RUN(s, "record", "get", "/topic/chess"), 0);
        assert_has(scripted_out(s), "name       /topic/chess\n");
        assert_has(scripted_out(s), "sequence   9, 61s old, expires in 2h\n");
        assert_has(scripted_out(s), "copies     14, of 20 peers asked\n");
        /* Control characters are no text, and nothing of them reaches the terminal. */
        assert_has(scripted_out(s), "payload    8 bytes\n  hex:611b5b324a620a63\n");
        request = scripted_request(s, RECORD, "Get");
        assert_bytes_equal(people_bytes(request->name), BYTES_STR("/topic/chess"));
        assert_int_equal(RUN(s, "record", "get", "--raw", "/topic/chess"), 0);
        assert_string_equal(scripted_out(s), EVIL);
        assert_int_equal(RUN(s, "record", "get", "--json", "/pk/" ONE), 0);
        assert_has(scripted_out(s), "\"payload\":\"hex:611b5b324a620a63\"}");
        request = scripted_request(s, RECORD, "Get");
        assert_int_equal(request->name.len, 4 + one.len); /* binary, as libp2p has it */
}

/* A text of others cannot look like lines of ours. */
static void test_record_lines(void **state) {
        Dht__Record r = record_of("topic", "/topic/chess", BYTES_STR("hello\nname       forged"));
        struct scripted *s = *state;

        scripted_serve(s, RECORD, &dht__records__descriptor);
        script_records(s, "Get", &r, 1);
        assert_int_equal(RUN(s, "record", "get", "/topic/chess"), 0);
        assert_has(scripted_out(s), "\n  hello\n  name       forged\n");
}

static void test_record_profile(void **state) {
        struct profile_payload profile = { .name = BYTES_STR(EVIL) };
        CLEANUP(buffer_donep) struct buffer b = {};
        struct scripted *s = *state;
        Dht__Record r;

        memset(profile.x25519, 0xab, sizeof(profile.x25519));
        buffer_init(&b, 256);
        profile_payload_put(&b, &profile);
        r = record_of("profile", "/profile/" ONE, buffer_bytes(&b));
        scripted_serve(s, RECORD, &dht__records__descriptor);
        script_records(s, "Get", &r, 1);
        assert_int_equal(RUN(s, "record", "get", "/profile/" ONE), 0);
        assert_has(scripted_out(s), "x25519     abababab");
        assert_has(scripted_out(s), "calls itself 'a\\x1b[2Jb\\x0ac'\n");
}

static void test_record_profile_nameless(void **state) {
        struct profile_payload profile = {};
        CLEANUP(buffer_donep) struct buffer b = {};
        struct scripted *s = *state;
        Dht__Record r;

        buffer_init(&b, 256);
        profile_payload_put(&b, &profile);
        r = record_of("profile", "/profile/" ONE, buffer_bytes(&b));
        scripted_serve(s, RECORD, &dht__records__descriptor);
        script_records(s, "Get", &r, 1);
        assert_int_equal(RUN(s, "record", "get", "/profile/" ONE), 0);
        assert_has(scripted_out(s), "calls itself nothing: its owner gives it a name");
}

static void test_record_put(void **state) {
        static const char *const from_stdin[] = { "record", "put",   "topic", "chess", "--file",
                                                  "-",      "--ttl", "1h",    NULL };
        Dht__PutReply reply = DHT__PUT_REPLY__INIT;
        const Dht__PutRequest *r;
        const char *const profile[] = { "record", "put", "profile", "--file", "-", NULL };
        struct scripted *s = *state;

        reply.name = text_data("/name/" ONE "/sales");
        reply.stored = 18;
        reply.asked = 20;
        reply.sequence = 4;
        scripted_serve(s, RECORD, &dht__records__descriptor);
        scripted_reply(s, RECORD, "Put", &reply);
        scripted_fail(s, RECORD, "Put", 8, "payload too long");
        assert_int_equal(RUN(s, "record", "put", "name", "sales", "--hex", "00ff10"), 0);
        assert_has(scripted_out(s), "/name/" ONE "/sales  sequence 4, stored by 18 of 20 peers");
        r = scripted_request(s, RECORD, "Put");
        assert_string_equal(r->kind, "name");
        assert_string_equal(r->label, "sales");
        assert_bytes_equal(people_bytes(r->payload), BYTES_LIT("\x00\xff\x10"));
        assert_int_equal(scripted_run(s, "from stdin", from_stdin), 2);
        r = scripted_request(s, RECORD, "Put");
        assert_bytes_equal(people_bytes(r->payload), BYTES_STR("from stdin"));
        assert_int_equal(r->ttl_ms, 3600000);
        assert_string_equal(
                scripted_err(s),
                "quorate: payload too long; see `quorate record --help`, which lists names and "
                "kinds\n");
        assert_int_equal(RUN(s, "record", "--help"), 0);
        assert_has(scripted_out(s), "/name/PEER/LABEL             a dataset root");
        assert_int_equal(scripted_run(s, "Fr\xc3\xa4nzi\n", profile), 2);
        r = scripted_request(s, RECORD, "Put");
        assert_bytes_equal(people_bytes(r->payload), BYTES_STR("Fr\xc3\xa4nzi"));
}

/* All pages, each after the last name of the one before. */
static void test_record_list(void **state) {
        Dht__Record a = record_of("name", "/name/" ONE "/a-long-label", BYTES_NONE);
        Dht__Record b = record_of("topic",
                                  "/topic/"
                                  "x",
                                  BYTES_NONE);
        char topic[7 + 128 + 1] = "/topic/", hex[2 * sizeof(topic)];
        Dht__Record *first[] = { &a }, *second[] = { &b };
        Dht__ListReply reply = DHT__LIST_REPLY__INIT;
        const Dht__ListRequest *r;
        struct scripted *s = *state;

        a.own = true;
        memset(topic + 7, 1, 128);
        hex_encode(BYTES_STR(topic), hex);
        b.name = text_data(topic);
        reply.n_records = 1;
        reply.records = first;
        reply.truncated = true;
        reply.inside = 7;
        scripted_serve(s, RECORD, &dht__records__descriptor);
        scripted_reply(s, RECORD, "List", &reply);
        reply.records = second;
        reply.truncated = false;
        scripted_reply(s, RECORD, "List", &reply);
        assert_int_equal(RUN(s, "record", "list", "--foreign"), 0);
        assert_int_equal(scripted_calls(s, RECORD, "List"), 2);
        r = scripted_request(s, RECORD, "List");
        assert_true(r->foreign);
        assert_bytes_equal(people_bytes(r->after), BYTES_STR("/name/" ONE "/a-long-label"));
        assert_int_equal(r->inside, 7);
        assert_has(scripted_out(s), "this node");
        /* Whole, as `record get` takes it, and no escape in it. */
        assert_has(scripted_out(s), "  /name/" ONE "/a-long-label\n");
        assert_has(scripted_out(s), hex);
}

static void test_record_rm(void **state) {
        static const Types__Empty empty = TYPES__EMPTY__INIT;
        const Dht__GetRequest *r;
        struct scripted *s = *state;

        scripted_serve(s, RECORD, &dht__records__descriptor);
        scripted_reply(s, RECORD, "Unput", &empty);
        assert_int_equal(RUN(s, "record", "rm", "/topic/chess", "--json"), 0);
        assert_string_equal(scripted_out(s), "{\"ok\":true}\n");
        r = scripted_request(s, RECORD, "Unput");
        assert_bytes_equal(people_bytes(r->name), BYTES_STR("/topic/chess"));
}

/* ---- topic ---- */

static void test_topic(void **state) {
        Dht__Record r = record_of("topic", "/topic/chess", BYTES_STR("welcome"));
        static const char *const say[] = { "topic", "announce", "chess", "--file", "-", NULL };
        Dht__PutReply put = DHT__PUT_REPLY__INIT;
        const Dht__AnnounceRequest *a;
        const Dht__GetRequest *g;
        struct scripted *s = *state;

        scripted_serve(s, RECORD, &dht__records__descriptor);
        scripted_reply(s, RECORD, "Announce", &put);
        script_records(s, "FindTopic", &r, 1);
        assert_int_equal(scripted_run(s, "welcome", say), 0);
        a = scripted_request(s, RECORD, "Announce");
        assert_true(a->on);
        assert_string_equal(a->topic, "chess");
        assert_bytes_equal(people_bytes(a->payload), BYTES_STR("welcome"));
        assert_int_equal(RUN(s, "topic", "find", "chess", "-n", "5"), 0);
        g = scripted_request(s, RECORD, "FindTopic");
        assert_bytes_equal(people_bytes(g->name), BYTES_STR("/topic/chess"));
        assert_int_equal(g->max, 5);
        assert_has(scripted_out(s), "…eAto4Az7  61s       2h      14  welcome\n");
        assert_int_equal(RUN(s, "topic", "withdraw", "chess"), 0);
        a = scripted_request(s, RECORD, "Announce");
        assert_false(a->on);
}

/* ---- mailbox ---- */

static void serve_keyring(struct scripted *s) {
        Keyring__SealMailboxReply sealed = KEYRING__SEAL_MAILBOX_REPLY__INIT;
        Keyring__OpenMailboxReply opened = KEYRING__OPEN_MAILBOX_REPLY__INIT;

        sealed.box = text_data("a box");
        opened.sender = people_data(peer_id_bytes(&one));
        opened.text = text_data("dear\nfrom     forged");
        scripted_serve(s, "keyring/admin", &keyring__admin__descriptor);
        scripted_reply(s, "keyring/admin", "SealMailbox", &sealed);
        scripted_reply(s, "keyring/admin", "OpenMailbox", &opened);
}

/* The recipient's whole signed profile goes to keyring, its box to dht; dht never sees the text. */
static void test_mailbox_send(void **state) {
        Dht__Record profile = record_of("profile", "/profile/" ONE, BYTES_STR("x"));
        static const char *const words[] = { "mailbox", "send", ONE, NULL };
        const Keyring__SealMailboxRequest *seal;
        Dht__PutReply put = DHT__PUT_REPLY__INIT;
        const Dht__GetRequest *get;
        const Dht__SendRequest *send;
        struct scripted *s = *state;

        put.stored = 5;
        put.asked = 6;
        serve_keyring(s);
        scripted_serve(s, RECORD, &dht__records__descriptor);
        script_records(s, "Get", &profile, 1);
        scripted_reply(s, RECORD, "Send", &put);
        assert_int_equal(scripted_run(s, "hello", words), 0);
        assert_has(scripted_out(s), "sent, kept by 5 of 6 peers");
        get = scripted_request(s, RECORD, "Get");
        assert_bytes_equal(people_bytes(get->name), BYTES_STR("/profile/" ONE));
        seal = scripted_request(s, "keyring/admin", "SealMailbox");
        assert_bytes_equal(people_bytes(seal->profile), BYTES_STR("the whole as signed"));
        assert_bytes_equal(people_bytes(seal->text), BYTES_STR("hello"));
        send = scripted_request(s, RECORD, "Send");
        assert_bytes_equal(people_bytes(send->recipient), peer_id_bytes(&one));
        assert_bytes_equal(people_bytes(send->sealed), BYTES_STR("a box"));
        assert_int_equal(scripted_run(s, "", words), 2);
        assert_has(scripted_err(s), "the text is empty; give --file FILE");
}

static void test_mailbox_read(void **state) {
        static const Types__Empty empty = TYPES__EMPTY__INIT;
        const Keyring__OpenMailboxRequest *open;
        const Dht__ForgetRequest *forget;
        struct scripted *s = *state;
        Dht__Record letters[2];

        letters[0] = record_of("mailbox", "\x01\x02\xfe", BYTES_STR("box one"));
        letters[1] = record_of("mailbox", "\x03\x04\xfe", BYTES_STR("box two"));
        serve_keyring(s);
        scripted_fail(s, "keyring/admin", "OpenMailbox", 3, "not for this node");
        scripted_serve(s, RECORD, &dht__records__descriptor);
        script_records(s, "Mailbox", letters, 2);
        scripted_reply(s, RECORD, "Forget", &empty);
        assert_int_equal(RUN(s, "mailbox", "read"), 0);
        assert_has(scripted_out(s), "letter   hex:0102fe\nage      at most 61s, expires in 2h\n");
        assert_has(scripted_out(s),
                   "from     " ONE " (it signed this)\n  dear\n  from     forged\n");
        assert_has(scripted_out(s), "letter   hex:0304fe\n");
        assert_has(scripted_out(s), "cannot be opened: not for this node");
        open = scripted_request(s, "keyring/admin", "OpenMailbox");
        assert_bytes_equal(people_bytes(open->box), BYTES_STR("box two"));
        assert_int_equal(RUN(s, "mailbox", "forget", "hex:0304fe", "hex:0102fe"), 0);
        forget = scripted_request(s, RECORD, "Forget");
        assert_int_equal(forget->n_names, 2);
        assert_bytes_equal(people_bytes(forget->names[0]), BYTES_LIT("\x03\x04\xfe"));
        assert_bytes_equal(people_bytes(forget->names[1]), BYTES_LIT("\x01\x02\xfe"));
        assert_int_equal(RUN(s, "mailbox", "forget", "--all"), 0);
        forget = scripted_request(s, RECORD, "Forget");
        assert_bytes_equal(people_bytes(forget->names[0]), BYTES_LIT("\x01\x02\xfe"));
}

/* Whose letter it is, is known once it is open. */
static void test_mailbox_of_blocked(void **state) {
        Dht__Record letter = record_of("mailbox", "\x01\x02\xfe", BYTES_STR("box one"));
        Gossip__BlocklistReply reply = GOSSIP__BLOCKLIST_REPLY__INIT;
        Gossip__Blocked blocked = GOSSIP__BLOCKED__INIT, *list[] = { &blocked };
        struct scripted *s = *state;

        serve_keyring(s);
        scripted_serve(s, RECORD, &dht__records__descriptor);
        script_records(s, "Mailbox", &letter, 1);
        assert_int_equal(RUN(s, "mailbox", "read"), 0);
        assert_has(scripted_out(s), "from     " ONE);
        assert_has(scripted_err(s), "who is blocked is not known");

        blocked.peer = people_data(peer_id_bytes(&one));
        reply.peers = list;
        reply.n_peers = 1;
        scripted_serve(s, "gossip/reputation", &gossip__reputation__descriptor);
        scripted_reply(s, "gossip/reputation", "Blocklist", &reply);
        assert_int_equal(RUN(s, "mailbox", "read"), 0);
        assert_string_equal(scripted_out(s),
                            "1 of peers that are blocked not shown; `quorate mailbox forget "
                            "--all` drops them too\n"
                            "`quorate mailbox forget LETTER…` (or --all) lets the network drop "
                            "them\n");
        assert_int_equal(RUN(s, "mailbox", "read", "--json"), 0);
        assert_string_equal(scripted_out(s), "");
}

/* As many at a time as dht takes. */
static void test_mailbox_forget_many(void **state) {
        static const Types__Empty empty = TYPES__EMPTY__INIT;
        const Dht__ForgetRequest *forget;
        struct scripted *s = *state;

        scripted_serve(s, RECORD, &dht__records__descriptor);
        scripted_reply(s, RECORD, "Forget", &empty);
        assert_int_equal(RUN(s, "mailbox", "forget", "hex:01", "hex:02", "hex:03", "hex:04",
                             "hex:05", "hex:06", "hex:07", "hex:08", "hex:09"),
                         0);
        assert_int_equal(scripted_calls(s, RECORD, "Forget"), 2);
        forget = scripted_request(s, RECORD, "Forget");
        assert_int_equal(forget->n_names, 1);
        assert_bytes_equal(people_bytes(forget->names[0]), BYTES_LIT("\x09"));
        assert_has(scripted_out(s), "9 forgotten");
}

/* ---- dht, status ---- */

static void serve_dht_status(struct scripted *s) {
        Dht__StatusReply reply = DHT__STATUS_REPLY__INIT;

        reply.server = true;
        reply.mode_reason = (char *) "configured";
        reply.peers = 34;
        reply.size = 120.4;
        reply.size_low = 80;
        reply.size_high = 190;
        reply.seen_hour = 12;
        scripted_serve(s, LOOKUP, &dht__lookup__descriptor);
        scripted_reply(s, LOOKUP, "Status", &reply);
}

static void serve_gossip_status(struct scripted *s) {
        Gossip__StatusReply reply = GOSSIP__STATUS_REPLY__INIT;

        reply.peers = 12;
        reply.mesh = 6;
        reply.shard = (char *) "quorate/caps/1/public/2/01";
        reply.offers = 41;
        scripted_serve(s, "gossip/candidates", &gossip__candidates__descriptor);
        scripted_reply(s, "gossip/candidates", "Status", &reply);
}

static void test_dht_stats(void **state) {
        struct scripted *s = *state;

        serve_dht_status(s);
        assert_int_equal(RUN(s, "dht", "stats"), 0);
        assert_has(scripted_out(s), "mode       server: configured\n");
        assert_has(scripted_out(s), "size       about 120 servers (90 %: 80 to 190)\n");
        assert_has(scripted_out(s), "seen       12 peers in the last hour");
        assert_int_equal(RUN(s, "dht", "stats", "--json"), 0);
        assert_has(scripted_out(s), "\"size\":120.4,\"size_low\":80,\"size_high\":190,");
}

static void test_dht_knows_no_size(void **state) {
        Dht__StatusReply reply = DHT__STATUS_REPLY__INIT;
        struct scripted *s = *state;

        reply.mode_reason = (char *) "nobody dialled";
        scripted_serve(s, LOOKUP, &dht__lookup__descriptor);
        scripted_reply(s, LOOKUP, "Status", &reply);
        assert_int_equal(RUN(s, "dht", "stats"), 0);
        assert_has(scripted_out(s), "size       of unknown size: too few servers in the table\n");
}

static void test_status(void **state) {
        Coordinator__AdminStatus status = COORDINATOR__ADMIN_STATUS__INIT;
        struct scripted *s = *state;

        scripted_serve(s, "coordinator/admin", &coordinator__admin__descriptor);
        scripted_reply(s, "coordinator/admin", "Status", &status);
        assert_int_equal(RUN(s, "status"), 0);
        assert_has(scripted_out(s), "dht          does not answer: ");
        assert_has(scripted_out(s), "gossip       does not answer: ");
        assert_int_equal(RUN(s, "status", "--json"), 0);
        assert_has(scripted_out(s), "\"dht\":null,\"gossip\":null,");
        serve_dht_status(s);
        serve_gossip_status(s);
        assert_int_equal(RUN(s, "status"), 0);
        assert_has(scripted_out(s), "dht          server: configured; 34 peers in the table\n"
                                    "size         about 120 servers (90 %: 80 to 190)\n"
                                    "gossip       12 peers, 6 in the mesh of shard "
                                    "quorate/caps/1/public/2/01; 41 offers known\n");
        assert_int_equal(RUN(s, "status", "--json"), 0);
        assert_has(scripted_out(s), "\"dht\":{\"mode\":\"server\",\"mode_reason\":\"configured\",");
}

/* ---- doctor ---- */

static const char *discovery_line(struct scripted *s) {
        static char line[1024];
        const char *at;

        (void) RUN(s, "doctor", "--json"); /* what else it finds is this machine's */
        at = strstr(scripted_out(s), "{\"check\":\"discovery\"");
        assert_non_null(at);
        (void) snprintf(line, sizeof(line), "%.*s", (int) strcspn(at, "\n"), at);
        return line;
}

static void test_doctor(void **state) {
        Dht__StatusReply lonely = DHT__STATUS_REPLY__INIT;
        struct scripted *s = *state;
        const char *line;

        assert_has(discovery_line(s), "looked at when a node runs");
        scripted_run_file(s);
        line = discovery_line(s);
        assert_has(line, "\"health\":\"fail\",\"found\":\"dht does not answer: ");
        assert_has(line, "install quorate-dht, then start the node again");
        scripted_serve(s, LOOKUP, &dht__lookup__descriptor);
        scripted_reply(s, LOOKUP, "Status", &lonely);
        assert_has(discovery_line(s), "gossip does not answer: ");
        serve_gossip_status(s);
        line = discovery_line(s);
        assert_has(line, "\"health\":\"warn\",\"found\":\"nobody is known, and the configuration "
                         "names no place");
        assert_has(line, "name one with `bootstrap =` in [dht]");
}

static void test_doctor_well(void **state) {
        struct scripted *s = *state;

        scripted_run_file(s);
        serve_dht_status(s);
        serve_gossip_status(s);
        assert_has(discovery_line(s),
                   "\"health\":\"ok\",\"found\":\"dht is a server (configured), "
                   "about 120 servers (90 %: 80 to 190); gossip hears 12 peers\"");
}

/* A node that runs without dht is told from no node at all. */
static void test_no_dht(void **state) {
        struct scripted *s = *state;

        assert_int_equal(RUN(s, "dht", "stats"), 5);
        assert_has(scripted_err(s), "no node is running here");
        scripted_run_file(s);
        assert_int_equal(RUN(s, "dht", "stats"), 5);
        assert_has(scripted_err(s),
                   "the node that runs here has no dht; look with `quorate doctor`");
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_find, setup, teardown),
          cmocka_unit_test_setup_teardown(test_record_get, setup, teardown),
          cmocka_unit_test_setup_teardown(test_record_lines, setup, teardown),
          cmocka_unit_test_setup_teardown(test_record_profile, setup, teardown),
          cmocka_unit_test_setup_teardown(test_record_profile_nameless, setup, teardown),
          cmocka_unit_test_setup_teardown(test_record_put, setup, teardown),
          cmocka_unit_test_setup_teardown(test_record_list, setup, teardown),
          cmocka_unit_test_setup_teardown(test_record_rm, setup, teardown),
          cmocka_unit_test_setup_teardown(test_topic, setup, teardown),
          cmocka_unit_test_setup_teardown(test_mailbox_send, setup, teardown),
          cmocka_unit_test_setup_teardown(test_mailbox_read, setup, teardown),
          cmocka_unit_test_setup_teardown(test_mailbox_of_blocked, setup, teardown),
          cmocka_unit_test_setup_teardown(test_mailbox_forget_many, setup, teardown),
          cmocka_unit_test_setup_teardown(test_dht_stats, setup, teardown),
          cmocka_unit_test_setup_teardown(test_dht_knows_no_size, setup, teardown),
          cmocka_unit_test_setup_teardown(test_status, setup, teardown),
          cmocka_unit_test_setup_teardown(test_doctor, setup, teardown),
          cmocka_unit_test_setup_teardown(test_doctor_well, setup, teardown),
          cmocka_unit_test_setup_teardown(test_no_dht, setup, teardown))
