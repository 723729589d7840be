#include "services/gossip/rpc_message.h"

#include "common/base/text.h"
#include "common/wire/varint.h"
#include "tests/support/test.h"
#include "tests/unit/gossip/vectors/vectors.h"

static struct bytes hex(const char *text, uint8_t ret[1024]) {
        size_t n = strlen(text) / 2;

        assert_true(n <= 1024 && hex_decode(text, ret, n));
        return BYTES(ret, n);
}

static const struct {
        const char *raw;
        int want;
        bool is_signed; /* by its author, with or without the key */
} messages[] = {
        { HEX_MESSAGE_PLAIN, MESSAGE_OK, true },
        { HEX_MESSAGE_WITH_KEY, MESSAGE_OK, true },
        { HEX_MESSAGE_KEY_SIGNED, MESSAGE_OK, true },
        { HEX_MESSAGE_UNKNOWN_FIELD, MESSAGE_OK, true },
        { HEX_MESSAGE_RESIGNED, MESSAGE_OK, true },
        { HEX_MESSAGE_FORGED, MESSAGE_OK, false },
        { HEX_MESSAGE_OTHER_KEY, MESSAGE_E_AUTHOR, false },
        { HEX_MESSAGE_SHA_AUTHOR, MESSAGE_E_AUTHOR, false },
        { HEX_MESSAGE_UNSIGNED, MESSAGE_E_UNSIGNED, false },
        { HEX_MESSAGE_NO_AUTHOR, MESSAGE_E_UNSIGNED, false },
        { HEX_MESSAGE_NO_SEQNO, MESSAGE_E_UNSIGNED, false },
        { HEX_MESSAGE_SHORT_SEQNO, MESSAGE_E_UNSIGNED, false },
        { HEX_MESSAGE_SHORT_SIGNATURE, MESSAGE_E_UNSIGNED, false },
        { HEX_MESSAGE_NO_TOPIC, MESSAGE_E_INVALID, false },
        { HEX_MESSAGE_TWO_DATA, MESSAGE_E_INVALID, false },
        { HEX_MESSAGE_VARINT_DATA, MESSAGE_E_INVALID, false },
        { HEX_MESSAGE_CUT, MESSAGE_E_INVALID, false },
};

static bool verifies(const struct pubsub_message *m, struct bytes raw, bool with_key) {
        CLEANUP(buffer_donep) struct buffer form = {};
        struct sign_public key;

        buffer_init(&form, 4096);
        assert_true(message_put_signed(&form, raw, with_key));
        assert_true(peer_id_ed25519(&m->author, &key));
        return sign_verify(&key, buffer_bytes(&form), m->signature);
}

static void test_read(void **state) {
        (void) state;
        FOREACH_CASE (c, messages) {
                uint8_t store[1024];
                struct bytes raw = hex(c->raw, store);
                struct pubsub_message m;

                assert_int_equal(message_read(raw, &m), c->want);
                if (c->want == MESSAGE_OK)
                        assert_int_equal(verifies(&m, raw, false) || verifies(&m, raw, true),
                                         c->is_signed);
        }
}

static void test_fields(void **state) {
        uint8_t a[1024], b[1024];
        struct pubsub_message m;
        struct message_id id;

        (void) state;
        assert_int_equal(message_read(hex(HEX_MESSAGE_PLAIN, a), &m), MESSAGE_OK);
        assert_bytes_equal(m.topic, BYTES_LIT("quorate/test"));
        assert_true(m.sequence == 1790000000000000001);
        assert_bytes_equal(peer_id_bytes(&m.author), hex(HEX_AUTHOR_A, b));
        assert_bytes_equal(m.signature, hex(HEX_SIGNATURE_PLAIN, b));
        id = message_id_of(m.data);
        assert_bytes_equal(message_id_bytes(&id), hex(HEX_MESSAGE_ID, b));
}

/* What is signed: as the specification has it, and with the key as js-libp2p had it. */
static void test_forms(void **state) {
        const struct {
                const char *raw, *form;
                bool with_key;
        } cases[] = {
                { HEX_MESSAGE_PLAIN, HEX_SIGNED_PLAIN, false },
                { HEX_MESSAGE_PLAIN, HEX_SIGNED_PLAIN, true },
                { HEX_MESSAGE_KEY_SIGNED, HEX_SIGNED_PLAIN, false },
                { HEX_MESSAGE_KEY_SIGNED, HEX_SIGNED_WITH_KEY, true },
        };

        (void) state;
        FOREACH_CASE (c, cases) {
                CLEANUP(buffer_donep) struct buffer form = {};
                uint8_t a[1024], b[1024];

                buffer_init(&form, 4096);
                assert_true(message_put_signed(&form, hex(c->raw, a), c->with_key));
                assert_bytes_equal(buffer_bytes(&form), hex(c->form, b));
        }
}

static void test_write_message(void **state) {
        CLEANUP(buffer_donep) struct buffer raw = {};
        uint8_t a[1024], b[1024], c[1024];
        struct peer_id author;

        (void) state;
        buffer_init(&raw, 4096);
        assert_true(peer_id_parse(hex(HEX_AUTHOR_A, a), &author));
        message_put(&raw, &author, BYTES_LIT("forty-two bytes of data, more or less, ok."),
                    1790000000000000001, "quorate/test");
        message_put_signature(&raw, hex(HEX_SIGNATURE_PLAIN, b));
        assert_bytes_equal(buffer_bytes(&raw), hex(HEX_MESSAGE_PLAIN, c));
}

static struct message_id id_of(uint8_t n) {
        return message_id_of(BYTES(&n, 1));
}

static void test_write_rpc(void **state) {
        struct message_id ids[3] = { id_of(0), id_of(1), id_of(2) }, two[2] = { ids[0], ids[2] };
        uint8_t a[1024], b[1024], c[1024], d[1024];
        struct rpc_peer px[2] = { { hex(HEX_AUTHOR_B, a), BYTES_LIT("record") },
                                  { hex(HEX_AUTHOR_A, b), BYTES_NONE } };
        CLEANUP(refbuf_unrefp) struct refbuf *got = NULL;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct rpc_writer w;

        (void) state;
        rpc_writer_init(&w);
        assert_null(rpc_take(&w));
        rpc_put_subscription(&w, "quorate/test", true);
        rpc_put_subscription(&w, "quorate/old", false);
        rpc_put_message(&w, hex(HEX_MESSAGE_PLAIN, c));
        rpc_put_ihave(&w, "quorate/test", ids, 2);
        rpc_put_iwant(&w, &ids[2], 1);
        rpc_put_graft(&w, "quorate/test");
        rpc_put_prune(&w, "quorate/test", px, 2, 60);
        rpc_put_idontwant(&w, two, 2);
        got = rpc_take(&w);
        assert_bytes_equal(refbuf_bytes(got), hex(HEX_RPC_ALL, d));
        assert_true(rpc_read(refbuf_bytes(got), &u));
        assert_null(rpc_take(&w));
        assert_null(w.written); /* who waits for nothing keeps nothing */
        assert_int_equal(rpc_writer_size(&w), 0);
        rpc_writer_done(&w);
}

/* Others have limits on one RPC: what we write is split, and nothing is lost or out of order. */
static void test_split(void **state) {
        static uint8_t body[30 * 1024];
        struct message_id id = id_of(0);
        struct rpc_writer w;
        struct refbuf *rpc;
        size_t n = 0, n_messages = 0, grafts = 0, size;

        (void) state;
        rpc_writer_init(&w);
        for (unsigned i = 0; i < 10; i++) {
                body[0] = (uint8_t) i;
                rpc_put_message(&w, BYTES_OF(body));
                rpc_put_graft(&w, "quorate/test");
                rpc_put_iwant(&w, &id, 1);
        }
        size = rpc_writer_size(&w);
        assert_true(size > sizeof(body) * 10);
        for (; (rpc = rpc_take(&w)); n++) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Gossipsub__RPC *in;

                assert_true(rpc->len <= RPC_OWN_MAX);
                assert_true(rpc_read(refbuf_bytes(rpc), &u));
                in = u.message;
                for (size_t i = 0; i < in->n_publish; i++)
                        assert_int_equal(in->publish[i].data[0], n_messages++);
                grafts += in->control ? in->control->n_graft : 0;
                refbuf_unref(rpc);
                assert_true(rpc_writer_size(&w) < size);
                size = rpc_writer_size(&w);
        }
        assert_int_equal(n_messages, 10);
        assert_int_equal(grafts, 10);
        assert_true(n >= 5);
        rpc_put_message(&w, BYTES_OF(body));
        rpc_put_message(&w, BYTES_OF(body));
        rpc_put_message(&w, BYTES_OF(body));
        rpc_writer_done(&w); /* with RPCs nobody took */
}

static void put_tag(struct buffer *b, unsigned field, struct bytes v) {
        buffer_put_u8(b, (uint8_t) (field << 3 | 2));
        buffer_put_varint(b, v.len);
        buffer_put_bytes(b, v);
}

/* A million empty fields are a few bytes each on the wire and far more in memory. */
static void test_bombs(void **state) {
        (void) state;
        for (unsigned field = 1; field <= 3; field++) {
                CLEANUP(buffer_donep) struct buffer b = {}, control = {};
                CLEANUP(unpacked_donep) struct unpacked u = {};

                buffer_init(&b, PUBSUB_RPC_MAX + 10);
                buffer_init(&control, PUBSUB_RPC_MAX);
                for (unsigned i = 0; i < 300000; i++)
                        put_tag(field == 3 ? &control : &b, field == 3 ? 3 : field, BYTES_NONE);
                if (field == 3)
                        put_tag(&b, 3, buffer_bytes(&control));
                assert_false(rpc_read(buffer_bytes(&b), &u));
        }
}

static void test_too_big(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        CLEANUP(freep) uint8_t *big = xcalloc(1, PUBSUB_RPC_MAX + 1);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct pubsub_message m;

        (void) state;
        buffer_init(&b, 2 * PUBSUB_RPC_MAX);
        put_tag(&b, 2, BYTES(big, PUBSUB_RPC_MAX));
        assert_false(rpc_read(buffer_bytes(&b), &u));
        buffer_clear(&b);
        put_tag(&b, 2, BYTES(big, PUBSUB_MESSAGE_MAX + 1));
        put_tag(&b, 4, BYTES_LIT("t"));
        assert_int_equal(message_read(buffer_bytes(&b), &m), MESSAGE_E_TOO_BIG);
        assert_int_equal(message_read(BYTES(big, PUBSUB_MESSAGE_MAX + 2000), &m),
                         MESSAGE_E_TOO_BIG);
}

TEST_MAIN(cmocka_unit_test(test_read), cmocka_unit_test(test_fields), cmocka_unit_test(test_forms),
          cmocka_unit_test(test_write_message), cmocka_unit_test(test_write_rpc),
          cmocka_unit_test(test_split), cmocka_unit_test(test_bombs),
          cmocka_unit_test(test_too_big))
