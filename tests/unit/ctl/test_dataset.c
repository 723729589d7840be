/* quorate dataset and --data by reference: against a node made of scripts. */

#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "proto/coordinator.pb-c.h"
#include "proto/dht.pb-c.h"
#include "services/ctl/people.h"
#include "tests/support/test.h"
#include "tests/unit/ctl/scripted.h"

#define PEER    "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"
#define ROOT    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define EVIL    "a\033[2Jb\nc"
#define ADMIN   "coordinator/admin"
#define RECORDS "dht/records"

static uint8_t root[HASH_SIZE];
static struct peer_id peer;

static int setup(void **state) {
        assert_true(hex_decode(ROOT, root, HASH_SIZE));
        assert_true(peer_id_from_text(BYTES_STR(PEER), &peer));
        *state = scripted_new();
        scripted_serve(*state, ADMIN, &coordinator__admin__descriptor);
        return 0;
}

static int teardown(void **state) {
        *state = scripted_free(*state);
        return 0;
}

static Coordinator__DatasetInfo info(const char *state, const char *name) {
        Coordinator__DatasetInfo d = COORDINATOR__DATASET_INFO__INIT;

        d.root = (ProtobufCBinaryData){ HASH_SIZE, root };
        d.state = (char *) state;
        d.name = (char *) name;
        d.format = (char *) "sqlite";
        d.length = 3 << 20;
        return d;
}

static void test_list(void **state) {
        static const struct {
                const char *state, *shown;
                bool pinned, announced;
        } rows[] = { { "here", "published", true, true },
                     { "here", "pinned", true, false },
                     { "here", "cached", false, false },
                     { "partial", "partial", true, false },
                     { "missing", "missing", true, true } };
        Coordinator__DatasetListReply reply = COORDINATOR__DATASET_LIST_REPLY__INIT;
        Coordinator__DatasetInfo d, *list = &d;

        FOREACH_CASE (c, rows) {
                d = info(c->state, EVIL);
                d.pinned = c->pinned;
                d.announced = c->announced;
                d.is_public = true;
                reply.n_datasets = 1;
                reply.datasets = &list;
                reply.used = 3 << 20;
                reply.quota = 8ull << 30;
                reply.more = 7;
                scripted_reply(*state, ADMIN, "DatasetList", &reply);
                assert_int_equal(RUN(*state, "dataset", "list"), 0);
                assert_has(scripted_out(*state), ROOT);
                assert_has(scripted_out(*state), c->shown);
                assert_has(scripted_out(*state), "public");
                assert_has(scripted_out(*state), "3.0 MiB of 8.0 GiB used");
                assert_has(scripted_out(*state), "7 more");
                assert_lacks(scripted_out(*state), "\033[2J");
                assert_int_equal(RUN(*state, "dataset", "list", "--json"), 0);
                assert_has(scripted_out(*state), "\"root\":\"" ROOT "\"");
                assert_has(scripted_out(*state), "{\"more\":7}");
        }
}

static void test_usage(void **state) {
        static const struct {
                const char *words[6], *error;
        } rows[] = {
                { { "dataset" }, "say publish FILE, list" },
                { { "dataset", "frob" }, "say publish FILE, list" },
                { { "dataset", "list", "x" }, "dataset list: takes options only" },
                { { "dataset", "rm" }, "dataset rm: say dataset rm ROOT|NAME" },
                { { "dataset", "name", "x" }, "dataset name: say dataset name NAME ROOT" },
                { { "dataset", "show", "" }, "64 hex digits" },
                { { "dataset", "list", "--limit", "1001" }, "at most 1000" },
                { { "dataset", "fetch", ROOT, "--from", "nobody" }, "nobody" },
                { { "dataset", "publish", "x", "--public", "--internal" }, "give one of them" },
        };

        FOREACH_CASE (c, rows) {
                assert_int_equal(scripted_run(*state, NULL, c->words), 2);
                assert_has(scripted_err(*state), c->error);
        }
}

/* A name of this node, and what the node says of one it does not know. */
static void test_names_here(void **state) {
        Coordinator__DatasetShowReply reply = COORDINATOR__DATASET_SHOW_REPLY__INIT;
        Coordinator__DatasetInfo d = info("here", "sales");
        const Coordinator__DatasetRef *asked;

        reply.info = &d;
        reply.chunks = 3;
        scripted_reply(*state, ADMIN, "DatasetShow", &reply);
        scripted_reply(*state, ADMIN, "DatasetPin", &d);
        assert_int_equal(RUN(*state, "dataset", "pin", "sales"), 0);
        asked = scripted_request(*state, ADMIN, "DatasetShow");
        assert_string_equal(asked->name, "sales");
        assert_bytes_equal(people_bytes(((const Coordinator__DatasetPinRequest *) scripted_request(
                                                 *state, ADMIN, "DatasetPin"))
                                                ->dataset->root),
                           BYTES(root, HASH_SIZE));
        assert_int_equal(RUN(*state, "dataset", "show", "sales"), 0);
        assert_has(scripted_out(*state), "3 chunks");
        assert_has(scripted_out(*state), "internal");
        scripted_fail(*state, ADMIN, "DatasetShow", 1, "no dataset is called that here");
        assert_int_equal(RUN(*state, "dataset", "rm", "other@me"), 5);
        assert_has(scripted_err(*state), "no dataset is called that here");
        assert_int_equal(scripted_calls(*state, ADMIN, "DatasetRemove"), 0);
}

/* NAME@PEER is what that peer has signed; a name may not tell an internal root. */
static void test_pointers(void **state) {
        Dht__GetReply found = DHT__GET_REPLY__INIT;
        Dht__Record record = DHT__RECORD__INIT, *records = &record;
        Coordinator__DatasetShowReply show = COORDINATOR__DATASET_SHOW_REPLY__INIT;
        Coordinator__DatasetInfo d = info("here", "");
        const Dht__PutRequest *put;
        Dht__PutReply stored = DHT__PUT_REPLY__INIT;

        scripted_serve(*state, RECORDS, &dht__records__descriptor);
        record.payload = (ProtobufCBinaryData){ HASH_SIZE, root };
        found.n_records = 1;
        found.records = &records;
        scripted_reply(*state, RECORDS, "Get", &found);
        scripted_reply(*state, ADMIN, "DatasetPin", &d);
        assert_int_equal(RUN(*state, "dataset", "pin", "a@b@" PEER), 0);
        assert_bytes_equal(people_bytes(((const Coordinator__DatasetPinRequest *) scripted_request(
                                                 *state, ADMIN, "DatasetPin"))
                                                ->dataset->root),
                           BYTES(root, HASH_SIZE));
        found.n_records = 0;
        found.asked = 4;
        scripted_reply(*state, RECORDS, "Get", &found);
        assert_int_equal(RUN(*state, "query", "--data", "t=sales@" PEER, "SELECT 1"), 5);

        show.info = &d;
        scripted_reply(*state, ADMIN, "DatasetShow", &show);
        scripted_reply(*state, RECORDS, "Put", &stored);
        assert_int_equal(RUN(*state, "dataset", "name", "sales", ROOT), 5);
        assert_has(scripted_err(*state), "it is internal");
        assert_int_equal(scripted_calls(*state, RECORDS, "Put"), 0);
        d.is_public = true;
        scripted_reply(*state, ADMIN, "DatasetShow", &show);
        scripted_reply(*state, ADMIN, "DatasetPin", &d);
        assert_int_equal(RUN(*state, "dataset", "name", "sales", ROOT), 0);
        put = scripted_request(*state, RECORDS, "Put");
        assert_string_equal(put->kind, "name");
        assert_string_equal(put->label, "sales");
        assert_bytes_equal(people_bytes(put->payload), BYTES(root, HASH_SIZE));
}

/* What a peer says its name stands for now may be anything: nothing is taken away by it. */
static void test_takes_away_by_root_alone(void **state) {
        static const char *const verbs[] = { "rm", "unpin" };
        Dht__GetReply found = DHT__GET_REPLY__INIT;
        Dht__Record record = DHT__RECORD__INIT, *records = &record;
        Coordinator__DatasetInfo d = info("here", "");

        scripted_serve(*state, RECORDS, &dht__records__descriptor);
        record.payload = (ProtobufCBinaryData){ HASH_SIZE, root };
        found.n_records = 1;
        found.records = &records;
        scripted_reply(*state, RECORDS, "Get", &found);
        scripted_reply(*state, ADMIN, "DatasetRemove", &d);
        scripted_reply(*state, ADMIN, "DatasetUnpin", &d);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                assert_int_equal(RUN(*state, "dataset", verbs[i], "sales@" PEER), 2);
                assert_has(scripted_err(*state), "give the root or the name here");
                assert_int_equal(scripted_calls(*state, RECORDS, "Get"), 0);
        }
        assert_int_equal(scripted_calls(*state, ADMIN, "DatasetRemove"), 0);
        assert_int_equal(scripted_calls(*state, ADMIN, "DatasetUnpin"), 0);
        assert_int_equal(RUN(*state, "dataset", "rm", ROOT), 0);
}

/* Names that would be taken for something else. */
static void test_names_to_give(void **state) {
        static const char *const bad[] = { "a@b", ("sales@" PEER), ROOT };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(RUN(*state, "dataset", "name", bad[i], ROOT), 2);
                assert_has(scripted_err(*state), "a name has no @");
                assert_int_equal(RUN(*state, "dataset", "pin", ROOT, "--name", bad[i]), 2);
                assert_int_equal(RUN(*state, "dataset", "publish", "x.db", "--name", bad[i]), 2);
                assert_has(scripted_err(*state), "a name has no @");
        }
        assert_int_equal(scripted_calls(*state, ADMIN, "DatasetPin"), 0);
}

/* One name at a time: the new one is its name here, the one before is withdrawn; and that one may
 * still be found is not kept secret. */
static void test_name_is_withdrawn(void **state) {
        Coordinator__DatasetShowReply show = COORDINATOR__DATASET_SHOW_REPLY__INIT;
        Coordinator__AdminStatus status = COORDINATOR__ADMIN_STATUS__INIT;
        Coordinator__DatasetInfo d = info("here", "before");
        Dht__Record record = DHT__RECORD__INIT, *records = &record;
        const Coordinator__DatasetPinRequest *pinned;
        Dht__PutReply stored = DHT__PUT_REPLY__INIT;
        Dht__GetReply found = DHT__GET_REPLY__INIT;
        Types__Empty empty = TYPES__EMPTY__INIT;

        scripted_serve(*state, RECORDS, &dht__records__descriptor);
        d.is_public = true;
        show.info = &d;
        status.peer = people_data(peer_id_bytes(&peer));
        record.payload = (ProtobufCBinaryData){ HASH_SIZE, root };
        found.n_records = 1;
        found.records = &records;
        scripted_reply(*state, ADMIN, "DatasetShow", &show);
        scripted_reply(*state, ADMIN, "DatasetPin", &d);
        scripted_reply(*state, ADMIN, "DatasetRemove", &d);
        scripted_reply(*state, ADMIN, "Status", &status);
        scripted_reply(*state, RECORDS, "Put", &stored);
        scripted_reply(*state, RECORDS, "Get", &found);
        scripted_reply(*state, RECORDS, "Unput", &empty);
        assert_int_equal(RUN(*state, "dataset", "name", "sales", ROOT), 0);
        pinned = scripted_request(*state, ADMIN, "DatasetPin");
        assert_true(pinned->rename);
        assert_string_equal(pinned->label, "sales");
        assert_int_equal(scripted_calls(*state, RECORDS, "Unput"), 1);

        scripted_fail(*state, RECORDS, "Unput", 3, "the disk is full");
        assert_int_equal(RUN(*state, "dataset", "rm", ROOT), 5);
        assert_has(scripted_out(*state), "removed " ROOT);
        assert_has(scripted_err(*state), "others may still find its name before");
        assert_has(scripted_err(*state), "the disk is full");
        scripted_fail(*state, RECORDS, "Get", 3, "no network");
        assert_int_equal(RUN(*state, "dataset", "rm", ROOT), 5);
        assert_has(scripted_err(*state), "no network");
}

/* Whoever gives a name that was another one's is told which. */
static void test_name_moves_aloud(void **state) {
        static const char before[] =
                "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
        Coordinator__DatasetShowReply show = COORDINATOR__DATASET_SHOW_REPLY__INIT;
        Coordinator__DatasetInfo d = info("here", ""), pinned = info("here", "sales");
        Dht__PutReply stored = DHT__PUT_REPLY__INIT;
        uint8_t other[HASH_SIZE];

        assert_true(hex_decode(before, other, HASH_SIZE));
        scripted_serve(*state, RECORDS, &dht__records__descriptor);
        d.is_public = true;
        show.info = &d;
        scripted_reply(*state, ADMIN, "DatasetShow", &show);
        scripted_reply(*state, RECORDS, "Put", &stored);
        scripted_reply(*state, ADMIN, "DatasetPin", &pinned);
        assert_int_equal(RUN(*state, "dataset", "name", "sales", ROOT), 0);
        assert_lacks(scripted_out(*state), "moved");
        assert_int_equal(RUN(*state, "dataset", "name", "sales", ROOT, "--json"), 0);
        assert_lacks(scripted_out(*state), "moved");
        pinned.moved_from = (ProtobufCBinaryData){ HASH_SIZE, other };
        scripted_reply(*state, ADMIN, "DatasetPin", &pinned);
        assert_int_equal(RUN(*state, "dataset", "name", "sales", ROOT), 0);
        assert_has(scripted_out(*state), "sales moved from ffeeddcc");
        assert_has(scripted_out(*state), " to " ROOT "\n");
        assert_int_equal(RUN(*state, "dataset", "pin", "--name", "sales", ROOT), 0);
        assert_has(scripted_out(*state), "sales moved from ffeeddcc");
        assert_int_equal(RUN(*state, "dataset", "name", "sales", ROOT, "--json"), 0);
        assert_has(scripted_out(*state), "\"ok\":true,\"stored\":0,\"moved_from\":\"ffeeddcc");
        assert_int_equal(RUN(*state, "dataset", "pin", "--name", "sales", ROOT, "--json"), 0);
        assert_has(scripted_out(*state), "\"moved_from\":\"ffeeddcc");
}

#define OTHER "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static const struct parting {
        const char *name, *label, *root; /* here; what the DHT is told; NULL: nothing */
        uint64_t age_h;
        const char *said, *json; /* NULL: nothing */
} partings[] = {
        { "sales", "sales", ROOT, 1, NULL, "\"shared\":[{\"name\":\"sales\"" },
        { "sales", "sales", OTHER, 1, "sales: others find " OTHER " by this name",
          "\"shared\":[],\"shared_elsewhere\":\"" OTHER "\"" },
        { "sales", "old", ROOT, 1, "old: others find " ROOT " by this name, too",
          "\"shared\":[{\"name\":\"old\"" },
        { "sales", NULL, NULL, 0, "sales: others do not know this name", "\"shared\":[]" },
        { "sales", "sales", ROOT, 30, "others were told this name 30h ago and not again",
          "\"age_ms\":108000000" },
        { "", "other", OTHER, 1, NULL, "\"shared\":[]" },
};

static void tell_dht(struct scripted *s, const struct parting *c) {
        Dht__ListReply told = DHT__LIST_REPLY__INIT;
        Dht__Record record = DHT__RECORD__INIT, *records = &record;
        uint8_t to[HASH_SIZE];
        char path[128] = "";

        record.kind = (char *) "name";
        record.own = true;
        record.age_ms = c->age_h * 3600000;
        record.expires_ms = (48 - c->age_h) * 3600000;
        told.n_records = c->label != NULL;
        told.records = &records;
        if (c->label) {
                assert_true(hex_decode(c->root, to, HASH_SIZE));
                record.payload = (ProtobufCBinaryData){ HASH_SIZE, to };
                (void) snprintf(path, sizeof(path), "/name/" PEER "/%s", c->label);
        }
        record.name = people_data(BYTES_STR(path));
        scripted_reply(s, RECORDS, "List", &told);
}

/* What others find by a name is not always what is called so here. */
static void test_names_part(void **state) {
        Coordinator__DatasetListReply reply = COORDINATOR__DATASET_LIST_REPLY__INIT;
        Coordinator__DatasetShowReply show = COORDINATOR__DATASET_SHOW_REPLY__INIT;
        Coordinator__DatasetInfo d, *list = &d;

        scripted_serve(*state, RECORDS, &dht__records__descriptor);
        FOREACH_CASE (c, partings) {
                d = info("here", c->name);
                d.pinned = d.announced = d.is_public = true;
                reply.n_datasets = 1;
                reply.datasets = &list;
                show.info = &d;
                scripted_reply(*state, ADMIN, "DatasetList", &reply);
                scripted_reply(*state, ADMIN, "DatasetShow", &show);
                tell_dht(*state, c);
                for (unsigned i = 0; i < 2; i++) {
                        assert_int_equal(i ? RUN(*state, "dataset", "show", ROOT)
                                           : RUN(*state, "dataset", "list"),
                                         0);
                        if (c->said)
                                assert_has(scripted_out(*state), c->said);
                        else
                                assert_lacks(scripted_out(*state), "others");
                }
                assert_int_equal(RUN(*state, "dataset", "list", "--json"), 0);
                assert_has(scripted_out(*state), c->json);
        }
        scripted_fail(*state, RECORDS, "List", 3, "no network");
        assert_int_equal(RUN(*state, "dataset", "list", "--json"), 0);
        assert_has(scripted_out(*state), "\"shared\":null");
}

/* NAME@PEER with this node's own id is what it is called here, whether or not the DHT has it. */
static void test_own_id(void **state) {
        Coordinator__DatasetShowReply show = COORDINATOR__DATASET_SHOW_REPLY__INIT;
        Coordinator__AdminStatus status = COORDINATOR__ADMIN_STATUS__INIT;
        Coordinator__DatasetInfo d = info("here", "sales");
        Dht__GetReply none = DHT__GET_REPLY__INIT;

        scripted_serve(*state, RECORDS, &dht__records__descriptor);
        show.info = &d;
        status.peer = people_data(peer_id_bytes(&peer));
        scripted_reply(*state, ADMIN, "Status", &status);
        scripted_reply(*state, ADMIN, "DatasetShow", &show);
        scripted_reply(*state, ADMIN, "DatasetUnpin", &d);
        scripted_reply(*state, ADMIN, "DatasetPin", &d);
        scripted_reply(*state, RECORDS, "Get", &none);
        assert_int_equal(RUN(*state, "dataset", "unpin", "sales@" PEER), 0);
        assert_int_equal(scripted_calls(*state, ADMIN, "DatasetUnpin"), 1);
        assert_int_equal(RUN(*state, "dataset", "pin", "sales@" PEER), 0);
        assert_int_equal(scripted_calls(*state, RECORDS, "Get"), 0);
        scripted_fail(*state, ADMIN, "DatasetShow", 1, "no dataset is called that here");
        assert_int_equal(RUN(*state, "dataset", "unpin", "other@" PEER), 5);
        assert_has(scripted_err(*state), "no dataset is called that here");
        assert_int_equal(RUN(*state, "dataset", "pin", "other@" PEER), 5);
        assert_int_equal(scripted_calls(*state, RECORDS, "Get"), 1); /* perhaps a record alone */
}

/* What was meant as a dataset, or as a name, is not just a file that is missing. */
static void test_not_a_file(void **state) {
        static const struct {
                const char *words[6], *error;
                int code;
        } rows[] = {
                { { "query", "-d", "my table=t.csv", "SELECT 1" },
                  "`my table` is not a file nor",
                  2 },
                { { "query", "-d", "my table=t.csv", "SELECT 1" }, "--data t=t.csv", 2 },
                { { "query", "-d", "1a=t.csv", "SELECT 1" }, "no digit first", 2 },
                { { "explain", "-d", "=t.csv", "SELECT 1" }, "letters, digits and _", 2 },
                { { "query", "-d", "a=/none/t.csv", "SELECT 1" }, "may read", 2 },
                { { "query", "-d", "./a b=t.csv", "SELECT 1" }, "may read", 2 },
                { { "query", "-d", "sales", "SELECT 1" }, "is sales@me", 2 },
                { { "query", "-d", "t=", "SELECT 1" }, "'t=': no file is named", 2 },
                { { "query", "-d", "", "SELECT 1" }, "no file is named", 2 },
                { { "query", "-d", "t=sales@nobody", "SELECT 1" }, "`nobody` is no peer id", 2 },
                { { "query", "-d", "sales@nobody", "SELECT 1" }, "NAME@me", 2 },
                { { "dataset", "fetch", "sales@nobody" },
                  "dataset fetch: sales@nobody: `nobody`",
                  2 },
                { { "dataset", "show", "sales@nobody" }, "`quorate peers -v`", 2 },
        };

        FOREACH_CASE (c, rows) {
                assert_int_equal(scripted_run(*state, NULL, c->words), c->code);
                assert_has(scripted_err(*state), c->error);
        }
        assert_int_equal(scripted_calls(*state, ADMIN, "DatasetShow"), 0);
}

/* All that take a dataset take and tell the same. */
static void test_help_names_alike(void **state) {
        static const char *const verbs[] = { "query", "shell", "explain", "dataset" };

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                assert_int_equal(RUN(*state, verbs[i], "--help"), 0);
                assert_has(scripted_out(*state), "ROOT");
                assert_has(scripted_out(*state), "NAME@me");
                assert_has(scripted_out(*state), "NAME@PEER");
        }
        assert_has(scripted_out(*state), "`query -d`");
        assert_has(scripted_out(*state), "fetch: pin it; if it is public, the DHT is told");
}

/* The shell does not look for a file where a dataset was named. */
static void test_shell(void **state) {
        static const char *const words[] = { "shell", "-d", "t=" ROOT, NULL };

        (void) scripted_run(*state, ".tables\n", words);
        assert_has(scripted_out(*state), "t: a dataset of the node");
        assert_lacks(scripted_err(*state), "unable to open");
        assert_int_equal(scripted_run(*state, ".open sales@me\n.open\n.open t=sales@nobody\n",
                                      (const char *const[]){ "shell", NULL }),
                         2);
        assert_has(scripted_out(*state), "sales@me\n");
        assert_has(scripted_err(*state), "t=sales@nobody: no such file");
}

static void put_work(struct scripted *s, Coordinator__DatasetProgressReply *p, const char *what) {
        p->state = (char *) what;
        p->root = (ProtobufCBinaryData){ HASH_SIZE, root };
        scripted_reply(s, ADMIN, "DatasetProgress", p);
}

/* Looked at until it ends; who was given up is named. */
static void test_fetch(void **state) {
        Coordinator__DatasetWork work = COORDINATOR__DATASET_WORK__INIT;
        Coordinator__DatasetProgressReply p = COORDINATOR__DATASET_PROGRESS_REPLY__INIT;
        Coordinator__DatasetProvider one = COORDINATOR__DATASET_PROVIDER__INIT, *list = &one;

        work.id = 7;
        scripted_reply(*state, ADMIN, "DatasetFetch", &work);
        put_work(*state, &p, "running");
        put_work(*state, &p, "running");
        one.peer = people_data(peer_id_bytes(&peer));
        one.verdict = (char *) "sent a wrong chunk";
        p.n_providers = 1;
        p.providers = &list;
        p.problem = (char *) "DATA_UNAVAILABLE: nobody has it";
        put_work(*state, &p, "failed");
        assert_int_equal(RUN(*state, "dataset", "fetch", ROOT, "--json"), 5);
        assert_has(scripted_out(*state), "\"verdict\":\"sent a wrong chunk\"");
        assert_has(scripted_out(*state), PEER);
        assert_has(scripted_err(*state), "DATA_UNAVAILABLE: nobody has it");
        assert_int_equal(scripted_calls(*state, ADMIN, "DatasetProgress"), 3);
        put_work(*state, &p, "done");
        assert_int_equal(RUN(*state, "dataset", "fetch", ROOT, "--from", PEER, "--pin"), 0);
        assert_has(scripted_out(*state), "sent a wrong chunk");
        assert_true(((const Coordinator__DatasetFetchRequest *) scripted_request(*state, ADMIN,
                                                                                 "DatasetFetch"))
                            ->pin);
}

static void test_verify(void **state) {
        Coordinator__DatasetWork work = COORDINATOR__DATASET_WORK__INIT;
        Coordinator__DatasetProgressReply p = COORDINATOR__DATASET_PROGRESS_REPLY__INIT;

        scripted_reply(*state, ADMIN, "DatasetVerify", &work);
        p.chunks = p.all = 3;
        put_work(*state, &p, "done");
        assert_int_equal(RUN(*state, "dataset", "verify", ROOT), 0);
        assert_has(scripted_out(*state), "every chunk is right, of 3");
        p.bad = 1;
        p.problem = (char *) "1 of 3 chunks are wrong";
        put_work(*state, &p, "failed");
        assert_int_equal(RUN(*state, "dataset", "verify", ROOT, "--json"), 5);
        assert_has(scripted_out(*state), "\"good\":false,\"chunks\":3,\"bad\":1");
        assert_has(scripted_err(*state), "1 of 3 chunks are wrong");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
TEST_MAIN(CASE(test_list), CASE(test_usage), CASE(test_names_here), CASE(test_pointers),
          CASE(test_takes_away_by_root_alone), CASE(test_names_to_give),
          CASE(test_name_is_withdrawn), CASE(test_name_moves_aloud), CASE(test_names_part),
          CASE(test_own_id), CASE(test_not_a_file), CASE(test_help_names_alike), CASE(test_shell),
          CASE(test_fetch), CASE(test_verify))
