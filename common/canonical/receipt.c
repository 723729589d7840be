/* The layout of a receipt; receipt_verify.c says whether it is true. */

#include "common/canonical/receipt.h"

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/varint.h"

static const uint8_t magic[] = { 'Q', 'R', 'C', 'P', RECEIPT_VERSION };

static bool is_statement(struct bytes v, struct bytes signature) {
        return v.len <= STATEMENT_BYTES_MAX && signature.len == (v.len > 0 ? SIGNATURE_SIZE : 0);
}

static bool host_is_good(const struct receipt_host *h) {
        return h->dispatch.len > 0 && is_statement(h->dispatch, h->dispatch_signature) &&
               is_statement(h->commit, h->commit_signature) &&
               is_statement(h->verdict, h->verdict_signature) &&
               (h->commit.len > 0 || !h->counted) && h->answer.error <= UINT16_MAX;
}

static bool receipt_is_good(const struct receipt *r) {
        if (r->descriptor.len > DESCRIPTOR_BYTES_MAX || r->sql.len > RECEIPT_SQL_MAX ||
            !utf8_is_valid(r->sql) || r->n_hosts > RECEIPT_VOTERS_MAX)
                return false;
        for (size_t i = 0; i < r->n_hosts; i++)
                if (!host_is_good(&r->hosts[i]))
                        return false;
        return true;
}

static void put_signed(struct buffer *b, struct bytes v, struct bytes signature) {
        buffer_put_prefixed(b, v);
        buffer_put_bytes(b, signature);
}

static void put_answer(struct buffer *b, const struct answer *a) {
        buffer_put_u8(b, (uint8_t) a->form);
        buffer_put_u16(b, (uint16_t) a->error);
        buffer_put_u32(b, a->position);
        buffer_put_bytes(b, hash_bytes(&a->hash));
        buffer_put_bytes(b, hash_bytes(&a->sequence_root));
        buffer_put_u64(b, a->batches);
        buffer_put_u64(b, a->rows);
        buffer_put_u64(b, a->bytes);
}

static void put_host(struct buffer *b, const struct receipt_host *h) {
        buffer_put_bytes(b, sign_public_bytes(&h->key));
        buffer_put_u8(b, h->counted);
        put_signed(b, h->dispatch, h->dispatch_signature);
        put_signed(b, h->commit, h->commit_signature);
        put_signed(b, h->verdict, h->verdict_signature);
        if (h->commit.len > 0)
                put_answer(b, &h->answer);
}

bool receipt_encode(const struct receipt *r, struct buffer *b) {
        size_t start = b->len;
        struct hash_value checksum;

        if (!receipt_is_good(r))
                return false;
        buffer_put(b, magic, sizeof(magic));
        buffer_put_prefixed(b, r->descriptor);
        buffer_put_prefixed(b, r->sql);
        buffer_put_bytes(b, sign_public_bytes(&r->requester));
        buffer_put_varint(b, r->n_hosts);
        for (size_t i = 0; i < r->n_hosts; i++)
                put_host(b, &r->hosts[i]);
        if (b->failed || b->len - start > RECEIPT_BYTES_MAX - HASH_SIZE)
                return false;
        checksum = hash_of("quorate.rcpt.1", BYTES(b->data + start, b->len - start));
        buffer_put_bytes(b, hash_bytes(&checksum));
        return !b->failed;
}

static void read_signed(struct reader *r, struct bytes *ret, struct bytes *ret_signature) {
        *ret = reader_prefixed(r);
        *ret_signature = ret->len > 0 ? reader_take(r, SIGNATURE_SIZE) : BYTES_NONE;
}

static void read_answer(struct reader *r, struct answer *ret) {
        ret->form = reader_u8(r);
        ret->error = reader_u16(r);
        ret->position = reader_u32(r);
        reader_copy(r, ret->hash.bytes, HASH_SIZE);
        reader_copy(r, ret->sequence_root.bytes, HASH_SIZE);
        ret->batches = reader_u64(r);
        ret->rows = reader_u64(r);
        ret->bytes = reader_u64(r);
}

static void read_host(struct reader *r, struct receipt_host *ret) {
        uint8_t counted;

        reader_copy(r, ret->key.bytes, SIGN_PUBLIC_SIZE);
        counted = reader_u8(r);
        ret->counted = counted == 1;
        if (counted > 1)
                r->failed = true;
        read_signed(r, &ret->dispatch, &ret->dispatch_signature);
        read_signed(r, &ret->commit, &ret->commit_signature);
        read_signed(r, &ret->verdict, &ret->verdict_signature);
        if (ret->commit.len > 0)
                read_answer(r, &ret->answer);
}

bool receipt_decode(struct bytes file, struct receipt *ret) {
        struct reader r = reader_of(file);

        *ret = (struct receipt){};
        if (file.len > RECEIPT_BYTES_MAX ||
            !bytes_equal(reader_take(&r, sizeof(magic)), BYTES_OF(magic)))
                return false;
        ret->descriptor = reader_prefixed(&r);
        ret->sql = reader_prefixed(&r);
        reader_copy(&r, ret->requester.bytes, SIGN_PUBLIC_SIZE);
        ret->n_hosts = (size_t) reader_varint(&r);
        if (ret->n_hosts > RECEIPT_VOTERS_MAX)
                return false;
        for (size_t i = 0; i < ret->n_hosts; i++)
                read_host(&r, &ret->hosts[i]);
        reader_take(&r, HASH_SIZE);
        return reader_done(&r) && receipt_is_good(ret);
}
