#pragma once

/* One node that serves /quorate/record/1, and people who ask it. */

#include "services/dht/record_serve.h"
#include "services/dht/store_memory.h"
#include "tests/unit/dht/records.h"

struct server {
        struct rules *rules;
        struct quota *quota;
        struct store store;
        struct record_serve serve;
        struct buffer message, reply, name, value;
        struct record_reply last;
};

static inline struct server *server_new(unsigned mailbox_bits) {
        const struct rules_config config = { .network = "default", .mailbox_bits = mailbox_bits };
        struct key self = key_of(BYTES_LIT("this node"));
        struct server *s = xnew(struct server);
        struct quota_config quota;

        quota_config_default(&quota);
        s->rules = rules_new(&config);
        s->quota = quota_new(&quota, &self, 99);
        s->store = store_memory_new(&store_limits_default, 1);
        s->serve = (struct record_serve){
                .rules = s->rules, .quota = s->quota, .store = &s->store, .now_us = NOW
        };
        buffer_init(&s->message, RECORD_MESSAGE_MAX);
        buffer_init(&s->reply, RECORD_MESSAGE_MAX);
        buffer_init(&s->name, RECORD_NAME_MAX);
        buffer_init(&s->value, RECORD_MESSAGE_MAX);
        return s;
}

static inline void server_free(struct server *s) {
        record_reply_donep(&s->last);
        rules_free(s->rules);
        quota_free(s->quota);
        store_memory_free(&s->store);
        buffer_done(&s->message);
        buffer_done(&s->reply);
        buffer_done(&s->name);
        buffer_done(&s->value);
        free(s);
}

/* Somebody at 10.x is exempt from subnet quotas; others at 1.a.b.1. */
static inline struct dht_remote remote_at(const struct person *p, uint16_t net) {
        const uint8_t addr[4] = { net ? 1 : 10, (uint8_t) (net >> 8), (uint8_t) net, 1 };
        struct dht_remote r = { .endpoint = endpoint_ip4(addr, 4001) };

        contact_init(&r.contact, &p->peer, NULL, 0);
        return r;
}

/* Sends what stands in s->message; the reply is s->last. */
static inline const Record__Reply *server_ask(struct server *s, const struct dht_remote *from) {
        buffer_clear(&s->reply);
        record_reply_donep(&s->last);
        s->last = (struct record_reply){};
        assert_true(record_serve(&s->serve, from, buffer_bytes(&s->message), &s->reply));
        assert_true(record_reply_read(buffer_bytes(&s->reply), &s->last));
        buffer_clear(&s->message);
        return s->last.in;
}
