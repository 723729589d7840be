/* What streams of peers may make a service keep, and for how long, with two real nodes: silence,
 * frames that do not end, answers that nobody reads, and too many streams. */

#include "proto/transport.pb-c.h"
#include "tests/support/services.h"
#include "tests/support/test.h"

/* A stream of a to b, by the bytes. */
struct raw {
        struct channel *channel;
        const uint8_t *question; /* sent for as long as there is credit, answers are not read */
        uint64_t n_accepted, n_ended, n_answers;
        nsec_t opened, ended;
        struct loop *loop;
};

static void raw_push(struct raw *r) {
        while (r->question && channel_send(r->channel, BYTES(r->question, FRAME)) == CHANNEL_OK)
                continue;
}

static void raw_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        ((struct raw *) userdata)->n_accepted++;
        raw_push(userdata);
}

static void raw_writable(struct channel *c, void *userdata) {
        raw_push(userdata);
}

static void raw_data(struct channel *c, void *userdata, struct bytes data) {
        struct raw *r = userdata;

        r->n_answers++;
        if (!r->question)
                channel_consumed(c, 1);
}

static void raw_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct raw *r = userdata;

        r->channel = NULL;
        r->ended = loop_now(r->loop);
        r->n_ended++;
}

static const struct channel_handler raw_side = { .on_accepted = raw_accepted,
                                                 .on_data = raw_data,
                                                 .on_writable = raw_writable,
                                                 .on_end = raw_end };

static void open_raw(struct pair *p, const char *protocol, struct raw *r) {
        ProtobufCBinaryData address = { p->b.address.len, p->b.address.bytes };
        char *protocols[] = { (char *) protocol };
        Transport__StreamOpen open = TRANSPORT__STREAM_OPEN__INIT;

        r->loop = p->loop;
        open.peer = (ProtobufCBinaryData){ p->b.id.len, p->b.id.bytes };
        open.addresses = &address;
        open.n_addresses = 1;
        open.protocols = protocols;
        open.n_protocols = 1;
        open.timeout_ms = 2000;
        r->channel = channel_open_message(streams_link(p->a.streams), "stream", &open.base,
                                          &raw_side, r);
        assert_non_null(r->channel);
        assert_true(wait_for(p->loop, &r->n_accepted, 1, 5 * SEC));
        r->opened = loop_now(p->loop);
        turn(p->loop, 200 * MS);
}

static void say(struct raw *r, struct bytes what) {
        assert_int_equal(channel_send(r->channel, what), CHANNEL_OK);
}

static void test_silence_has_an_end(void **state) {
        struct pair *p = *state;
        struct raw never = {}, later = {};

        p->b.manner = ANSWERS;
        open_raw(p, PROTOCOL, &never);
        open_raw(p, PROTOCOL, &later);
        say(&later, BYTES_LIT("\3who"));
        assert_true(wait_for(p->loop, &never.n_ended, 1, 5 * SEC));
        assert_true(never.ended - never.opened > 2 * SEC);
        assert_int_equal(counted(&p->b, "streams_silent"), 1);
        turn(p->loop, 1500 * MS);
        assert_int_equal(later.n_ended, 0); /* go-libp2p asks again on the stream it has */
        say(&later, BYTES_LIT("\4when"));
        assert_true(wait_for(p->loop, &later.n_answers, 2, 2 * SEC));
        assert_true(wait_for(p->loop, &later.n_ended, 1, 8 * SEC));
        assert_int_equal(counted(&p->b, "streams_silent"), 2);
        assert_int_equal(counted(&p->b, "streams_inbound"), 0);
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_OK);
}

/* A mesh may be silent, but between two frames. */
static void test_a_begun_frame_has_an_end(void **state) {
        static const uint8_t begun[1000] = { 0xff, 0x1f }; /* of 4,095 bytes */
        struct pair *p = *state;
        struct raw whole = {}, part = {};

        streams_keep(p->a.streams, &p->b.id, true);
        open_raw(p, IDLE, &whole);
        open_raw(p, IDLE, &part);
        say(&whole, BYTES_LIT("\3who"));
        say(&part, BYTES_OF(begun));
        turn(p->loop, SEC);
        assert_int_equal(counted(&p->b, "streams_bytes_held"), sizeof(begun));
        say(&part, BYTES("", 1)); /* a byte now and then does not help */
        assert_true(wait_for(p->loop, &part.n_ended, 1, 4 * SEC));
        assert_true(part.ended - part.opened > 2 * SEC);
        assert_int_equal(counted(&p->b, "streams_unfinished"), 1);
        assert_int_equal(counted(&p->b, "streams_bytes_held"), 0);
        turn(p->loop, 5 * SEC);
        assert_int_equal(whole.n_ended, 0);
        channel_reset(whole.channel, 0, "no longer needed");
}

static void test_begun_frames_are_charged(void **state) {
        static const uint8_t begun[4000] = { 0xff, 0x1f };
        struct pair *p = *state;
        struct raw list[3] = {};

        for (size_t i = 0; i < 3; i++) {
                open_raw(p, IDLE, &list[i]);
                say(&list[i], BYTES_OF(begun));
        }
        assert_true(wait_for(p->loop, &list[2].n_ended, 1, SEC)); /* one too many of one peer */
        assert_int_equal(list[0].n_ended + list[1].n_ended, 0);
        assert_int_equal(counted(&p->b, "streams_over_quota"), 1);
        assert_int_equal(counted(&p->b, "streams_bytes_held"), 2 * sizeof(begun));
        for (size_t i = 0; i < 2; i++)
                channel_reset(list[i].channel, 0, "no longer needed");
        turn(p->loop, 500 * MS);
        assert_int_equal(counted(&p->b, "streams_bytes_held"), 0);
}

static void test_answers_not_read_are_charged(void **state) {
        static const uint8_t question[FRAME] = { 0xfe, 0x1f }; /* fills a frame, and is echoed */
        struct pair *p = *state;
        struct raw r = { .question = question };

        p->b.manner = ANSWERS;
        open_raw(p, PROTOCOL, &r);
        assert_true(wait_for(p->loop, &r.n_ended, 1, 20 * SEC));
        assert_true(r.n_answers > 0);
        assert_int_equal(counted(&p->b, "streams_over_quota"), 1);
        assert_int_equal(counted(&p->b, "streams_bytes_held"), 0);
}

/* Of 12 streams one peer has three. */
static void test_newcomers_crowd_out_the_silent(void **state) {
        struct pair *p = *state;
        struct raw list[4] = {};

        p->b.manner = ANSWERS;
        for (size_t i = 0; i < 3; i++)
                open_raw(p, PROTOCOL, &list[i]);
        say(&list[0], BYTES_LIT("\3who")); /* so the second one is silent for longest */
        assert_true(wait_for(p->loop, &list[0].n_answers, 1, SEC));
        assert_int_equal(counted(&p->b, "streams_crowded_out"), 0);
        open_raw(p, PROTOCOL, &list[3]);
        assert_true(wait_for(p->loop, &list[1].n_ended, 1, SEC));
        assert_int_equal(list[0].n_ended + list[2].n_ended + list[3].n_ended, 0);
        say(&list[3], BYTES_LIT("\3who"));
        assert_true(wait_for(p->loop, &list[3].n_answers, 1, SEC));
        assert_int_equal(counted(&p->b, "streams_crowded_out"), 1);
        for (size_t i = 0; i < 4; i++)
                if (list[i].channel)
                        channel_reset(list[i].channel, 0, "no longer needed");
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, pair_setup, pair_teardown)

TEST_MAIN(PAIR(test_silence_has_an_end), PAIR(test_a_begun_frame_has_an_end),
          PAIR(test_begun_frames_are_charged), PAIR(test_answers_not_read_are_charged),
          PAIR(test_newcomers_crowd_out_the_silent))
