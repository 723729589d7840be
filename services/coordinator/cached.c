#include "services/coordinator/cached.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/canonical/qrows.h"
#include "common/wire/varint.h"

static const uint8_t magic[] = { 'Q', 'A', 'N', 'S' };

/* The byte behind it: what no receipt says. */
enum { HOSTS_KNOWN = 1, HOSTS_STRANGE = 2 };

/* ---- The key ---- */

static int compare_classes(const void *a, const void *b) {
        const struct bytes *x = a, *y = b;
        int r = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

        return r ? r : (x->len > y->len) - (x->len < y->len);
}

/* Nonce, time and seed differ each time; the order of the classes says who is asked first. */
static bool put_descriptor(struct bytes descriptor, struct buffer *b) {
        CLEANUP(freep) struct descriptor *d = xnew(struct descriptor);

        if (descriptor_decode(descriptor, d, NULL) != DESCRIPTOR_OK)
                return false;
        memset(d->nonce, 0, sizeof(d->nonce));
        memset(d->seed, 0, sizeof(d->seed));
        d->time_us = 0;
        qsort(d->classes, d->n_classes, sizeof(d->classes[0]), compare_classes);
        return descriptor_encode(d, b, NULL) == DESCRIPTOR_OK;
}

static void put_rule(const struct quorum_rule *r, struct buffer *b) {
        buffer_put_u8(b, (uint8_t) r->mode);
        buffer_put_u32(b, r->replicas);
        buffer_put_u32(b, r->quorum);
        buffer_put_u32(b, r->max_replicas);
        buffer_put_u32(b, r->engines);
}

bool cached_key(const struct cached_question *q, struct hash_value *ret) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 2 * DESCRIPTOR_BYTES_MAX);
        if (!put_descriptor(q->descriptor, &b))
                return false;
        put_rule(&q->rule, &b);
        buffer_put_u8(&b, q->independence);
        buffer_put_prefixed(&b, BYTES_STR(q->class_name));
        buffer_put_prefixed(&b, BYTES_STR(q->engine));
        buffer_put_u32(&b, (uint32_t) q->n_wanted);
        for (size_t i = 0; i < q->n_wanted; i++)
                buffer_put_prefixed(&b, BYTES_STR(q->wanted[i]));
        buffer_put_u32(&b, (uint32_t) q->n_hosts);
        for (size_t i = 0; i < q->n_hosts; i++)
                buffer_put_prefixed(&b, q->hosts[i]);
        *ret = hash_of("quorate.cache.1", buffer_bytes(&b));
        return !b.failed;
}

/* ---- The file ---- */

void cached_begin_file(struct bytes receipt, bool has_strangers, struct buffer *b) {
        buffer_put(b, magic, sizeof(magic));
        buffer_put_u8(b, has_strangers ? HOSTS_STRANGE : HOSTS_KNOWN);
        buffer_put_u32(b, (uint32_t) receipt.len);
        buffer_put_bytes(b, receipt);
}

static bool split(struct bytes file, struct cached_answer *ret) {
        struct reader r = reader_of(file);
        uint8_t hosts;

        if (!bytes_equal(reader_take(&r, sizeof(magic)), BYTES_OF(magic)))
                return false;
        hosts = reader_u8(&r);
        ret->has_strangers = hosts == HOSTS_STRANGE;
        if (hosts != HOSTS_KNOWN && hosts != HOSTS_STRANGE)
                return false;
        ret->receipt = reader_take(&r, reader_u32(&r));
        ret->rows = reader_take(&r, reader_left(&r));
        return !r.failed && ret->rows.len > 0;
}

static bool count_rows(struct cached_answer *a) {
        struct qrows_reader r;
        struct bytes batch;
        int q = qrows_open(&r, a->rows);

        while (q == QROWS_OK)
                q = qrows_next(&r, &batch);
        a->batches = r.batches;
        a->n_rows = a->report.answer->rows;
        a->n_bytes = r.bytes;
        return q == QROWS_END;
}

/* ---- Does it answer this question, by these rules? ---- */

static bool is_named(const struct cached_question *q, struct bytes host) {
        for (size_t i = 0; i < q->n_hosts; i++)
                if (bytes_equal(q->hosts[i], host))
                        return true;
        return q->n_hosts == 0;
}

static struct bytes name_of(struct bytes class) {
        const uint8_t *slash = memchr(class.data, '/', class.len);

        return BYTES(class.data, slash ? (size_t) (slash - class.data) : class.len);
}

/* What the receipt does not say by itself: that only those answered who were to, and with
 * engines enough. */
static bool voters_fit(const struct cached_question *q, struct cached_answer *a) {
        struct bytes first = BYTES_NONE;
        unsigned engines = 0;

        for (size_t i = 0; i < a->report.receipt.n_hosts; i++) {
                const struct receipt_host *h = &a->report.receipt.hosts[i];
                struct verdict_statement v;
                struct commit_statement c;
                struct bytes name;

                if (!h->counted)
                        continue;
                if (!receipt_verdict(&a->report, i, &v) ||
                    commit_decode(h->commit, &c) != STATEMENT_OK || !is_named(q, c.host))
                        return false;
                name = name_of(c.engine_class);
                engines += engines == 0 || (engines == 1 && !bytes_equal(name, first));
                first = engines == 1 ? name : first;
                a->time_us = a->time_us && a->time_us < v.time_us ? a->time_us : v.time_us;
        }
        a->engines = engines;
        return engines >= q->rule.engines;
}

/* Whether the receipt's job asks what this one asks. */
static bool asks_the_same(const struct cached_question *q, const struct hash_value *key,
                          const struct receipt *receipt) {
        struct cached_question then = *q;
        struct hash_value its;

        then.descriptor = receipt->descriptor;
        return cached_key(&then, &its) && hash_equal(&its, key);
}

/* A host that was asked twice, for its hardware, has two entries. */
static unsigned count_hosts(const struct receipt *receipt) {
        unsigned n = 0;

        for (size_t i = 0; i < receipt->n_hosts; i++) {
                size_t k = 0;

                while (memcmp(&receipt->hosts[k].key, &receipt->hosts[i].key,
                              sizeof(receipt->hosts[i].key)) != 0)
                        k++;
                n += k == i;
        }
        return n;
}

static int damaged(struct cached_answer *ret, const char *fault) {
        ret->fault = fault;
        return CACHED_E_DAMAGED;
}

int cached_check(struct bytes file, const struct cached_question *q, const struct hash_value *key,
                 struct cached_answer *ret) {
        const struct receipt_report *r = &ret->report;

        *ret = (struct cached_answer){};
        if (!split(file, ret))
                return damaged(ret, "it is cut short, or no kept answer at all");
        receipt_verify(ret->receipt, ret->rows, &ret->report);
        if (!r->valid || !r->answer || r->checks[RECEIPT_ROWS].status != CHECK_PASSED) {
                ret->check = receipt_check_name(receipt_first_failure(r));
                return damaged(ret, "its receipt does not verify");
        }
        if (r->answer->form == ANSWER_ERROR) { /* older builds kept them; its cause may be gone */
                ret->fault = "it is an error, of which each is asked anew";
                return CACHED_E_OTHER;
        }
        if (!count_rows(ret))
                return damaged(ret, "its rows cannot be read");
        if (r->state != STATE_VERIFIED || r->mode != q->rule.mode || r->quorum != q->rule.quorum ||
            r->replicas != q->rule.replicas || r->agreement < q->rule.quorum ||
            count_hosts(&r->receipt) > q->rule.max_replicas || !voters_fit(q, ret) ||
            !asks_the_same(q, key, &r->receipt)) {
                ret->fault = "it answers another question, or was checked by another rule";
                return CACHED_E_OTHER;
        }
        return CACHED_OK;
}
