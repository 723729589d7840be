#include "services/dht/mdns_message.h"

#include <ctype.h>
#include <string.h>

#define TYPE_PTR        12
#define TYPE_TXT        16
#define CLASS_IN        1
#define CLASS_MASK      0x7fff /* the top bit asks for a unicast answer, or says "flush" */
#define FLAG_ANSWER     0x8000
#define FLAGS_OPCODE    0x7800
#define FLAGS_RCODE     0x000f
#define FLAGS_ANSWER    0x8400 /* answer, authoritative */
#define LABEL_MAX       63
#define LABELS_MAX      32
#define RECORDS_MAX     64
#define HEADER_SIZE     12
#define TXT_PREFIX      "dnsaddr="
#define TXT_PREFIX_SIZE (sizeof(TXT_PREFIX) - 1)
#define TXT_STRING_MAX  255

/* ---- Names ---- */

/* A name as text, labels joined by points, lower case (RFC 6762, section 16). */
struct name {
        size_t len;
        char text[MDNS_NAME_MAX + 1];
};

static bool name_add(struct name *n, const uint8_t *label, size_t len) {
        if (n->len + len + 1 > MDNS_NAME_MAX)
                return false;
        if (n->len > 0)
                n->text[n->len++] = '.';
        for (size_t i = 0; i < len; i++)
                n->text[n->len++] = (char) tolower(label[i]);
        n->text[n->len] = '\0';
        return true;
}

/* Follows a pointer: only to before where this stretch of the name began, so that
 * every jump shortens what is left. */
static bool jump(struct bytes packet, size_t *at, size_t *begin) {
        size_t to = (size_t) (packet.data[*at] & 0x3f) << 8 | packet.data[*at + 1];

        if (to >= *begin || to < HEADER_SIZE)
                return false;
        *at = *begin = to;
        return true;
}

/* From `r`, which is left behind the name. */
static bool read_name(struct reader *r, struct name *ret) {
        struct bytes packet = { r->data, r->len };
        size_t at = r->pos, begin = r->pos, end = 0;

        ret->len = 0;
        ret->text[0] = '\0';
        for (unsigned labels = 0; labels < LABELS_MAX; labels++) {
                size_t len = at < packet.len ? packet.data[at] : SIZE_MAX;

                if (len == 0) {
                        r->pos = end > 0 ? end : at + 1;
                        return true;
                }
                if (len > LABEL_MAX && len < 0xc0)
                        return false;
                if (len >= 0xc0) {
                        if (at + 2 > packet.len)
                                return false;
                        end = end > 0 ? end : at + 2;
                        if (!jump(packet, &at, &begin))
                                return false;
                        continue;
                }
                if (at + 1 + len > packet.len || !name_add(ret, packet.data + at + 1, len))
                        return false;
                at += 1 + len;
        }
        return false;
}

static void service_name(const struct mdns_service *s, struct name *ret) {
        ret->len = 0;
        (void) name_add(ret, (const uint8_t *) s->text, strlen(s->text));
        (void) name_add(ret, (const uint8_t *) "_udp", 4);
        (void) name_add(ret, (const uint8_t *) "local", 5);
}

static bool name_equal(const struct name *a, const struct name *b) {
        return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* "<peer>.<service>": the one label before the service. */
static bool peer_of(const struct name *full, const struct name *service, char *ret) {
        size_t n = full->len > service->len ? full->len - service->len - 1 : 0;

        if (n == 0 || n > MDNS_PEER_NAME_MAX || full->text[n] != '.' ||
            memcmp(full->text + n + 1, service->text, service->len) != 0 ||
            memchr(full->text, '.', n))
                return false;
        memcpy(ret, full->text, n);
        ret[n] = '\0';
        return true;
}

/* ---- Reading ---- */

struct reading {
        struct reader r;
        struct name service;
        struct mdns_message *out;
        bool asks;
};

static void add_text(struct mdns_message *m, struct bytes text) {
        struct multiaddr a;

        if (text.len <= TXT_PREFIX_SIZE || memcmp(text.data, TXT_PREFIX, TXT_PREFIX_SIZE) != 0)
                return;
        text = BYTES(text.data + TXT_PREFIX_SIZE, text.len - TXT_PREFIX_SIZE);
        if (multiaddr_from_text(text, &a) != MULTIADDR_OK || m->n_addresses == MDNS_ADDRESSES_MAX)
                m->n_skipped++;
        else
                m->addresses[m->n_addresses++] = a;
}

static bool read_txt(struct mdns_message *m, struct bytes data) {
        struct reader r = reader_of(data);

        while (reader_left(&r) > 0)
                add_text(m, reader_take(&r, reader_u8(&r)));
        return !r.failed;
}

/* The data of a PTR record is a name, which may point anywhere before itself. */
static bool read_ptr(struct reading *x, size_t begin, size_t len) {
        struct reader r = x->r;
        struct name target;

        r.pos = begin;
        if (!read_name(&r, &target) || r.pos != begin + len)
                return false;
        if (peer_of(&target, &x->service, x->out->peer_name))
                x->out->names_peer = true;
        return true;
}

static bool read_question(struct reading *x) {
        struct name name;
        uint16_t type, class;

        if (!read_name(&x->r, &name))
                return false;
        type = reader_u16(&x->r);
        class = reader_u16(&x->r) & CLASS_MASK;
        if (type == TYPE_PTR && class == CLASS_IN && name_equal(&name, &x->service))
                x->asks = true;
        return !x->r.failed;
}

static bool read_record(struct reading *x) {
        char peer[MDNS_PEER_NAME_MAX + 1];
        uint16_t type, class, len;
        struct bytes data;
        struct name name;
        size_t begin;

        if (!read_name(&x->r, &name))
                return false;
        type = reader_u16(&x->r);
        class = reader_u16(&x->r) & CLASS_MASK;
        (void) reader_u32(&x->r); /* time to live: an address is a hint, however old */
        len = reader_u16(&x->r);
        begin = x->r.pos;
        data = reader_take(&x->r, len);
        if (x->r.failed || class != CLASS_IN)
                return !x->r.failed;
        if (type == TYPE_PTR && name_equal(&name, &x->service))
                return read_ptr(x, begin, len);
        if (type == TYPE_TXT && peer_of(&name, &x->service, peer))
                return read_txt(x->out, data);
        return true;
}

bool mdns_read(struct bytes packet, const struct mdns_service *service, struct mdns_message *ret) {
        struct reading x = { .r = reader_of(packet), .out = ret };
        unsigned questions, records = 0;
        uint16_t flags;

        *ret = (struct mdns_message){};
        if (packet.len < HEADER_SIZE || packet.len > MDNS_PACKET_MAX)
                return false;
        service_name(service, &x.service);
        (void) reader_u16(&x.r); /* id: of no meaning in multicast */
        flags = reader_u16(&x.r);
        questions = reader_u16(&x.r);
        for (unsigned i = 0; i < 3; i++)
                records += reader_u16(&x.r);
        if (flags & (FLAGS_OPCODE | FLAGS_RCODE))
                return true; /* RFC 6762, section 18: silently ignored */
        if (questions + records > RECORDS_MAX)
                return false;
        while (questions-- > 0)
                if (!read_question(&x))
                        return false;
        while (records-- > 0)
                if (!read_record(&x))
                        return false;
        if (flags & FLAG_ANSWER)
                ret->kind = ret->names_peer || ret->n_addresses > 0 ? MDNS_ANSWER : MDNS_OTHER;
        else
                ret->kind = x.asks ? MDNS_QUERY : MDNS_OTHER;
        return true;
}

/* ---- Writing ---- */

static void put_label(struct buffer *b, const char *label) {
        size_t n = strlen(label);

        buffer_put_u8(b, (uint8_t) n);
        buffer_put(b, label, n);
}

static void put_service(struct buffer *b, const struct mdns_service *s) {
        put_label(b, s->text);
        put_label(b, "_udp");
        put_label(b, "local");
        buffer_put_u8(b, 0);
}

static void put_header(struct buffer *b, uint16_t flags, uint16_t questions, uint16_t answers,
                       uint16_t additional) {
        buffer_put_u16(b, 0);
        buffer_put_u16(b, flags);
        buffer_put_u16(b, questions);
        buffer_put_u16(b, answers);
        buffer_put_u16(b, 0);
        buffer_put_u16(b, additional);
}

static void put_pointer(struct buffer *b, size_t to) {
        buffer_put_u16(b, (uint16_t) (0xc000 | to));
}

void mdns_put_query(struct buffer *b, const struct mdns_service *service) {
        put_header(b, 0, 1, 0, 0);
        put_service(b, service);
        buffer_put_u16(b, TYPE_PTR);
        buffer_put_u16(b, CLASS_IN);
}

static size_t put_strings(struct buffer *b, const struct multiaddr *addresses, size_t n) {
        char text[MULTIADDR_TEXT_SIZE];
        size_t done = 0;

        for (size_t i = 0; i < n && done < MDNS_ADDRESSES_MAX; i++) {
                size_t len = TXT_PREFIX_SIZE + strlen(multiaddr_text(&addresses[i], text));

                if (len > TXT_STRING_MAX || b->len + 1 + len > MDNS_OWN_MAX)
                        continue;
                buffer_put_u8(b, (uint8_t) len);
                buffer_put(b, TXT_PREFIX, TXT_PREFIX_SIZE);
                buffer_put(b, text, len - TXT_PREFIX_SIZE);
                done++;
        }
        return done;
}

/* The length in front of what was written since. */
static void fill_length(struct buffer *b, size_t at) {
        size_t len = b->len - at - 2;

        if (b->failed)
                return;
        b->data[at] = (uint8_t) (len >> 8);
        b->data[at + 1] = (uint8_t) len;
}

/* js-libp2p reads TXT from answers and additional records both; go-libp2p and the
 * specification have it in the additional ones, so that is where ours is. */
size_t mdns_put_answer(struct buffer *b, const struct mdns_service *service, const char *peer_name,
                       const struct multiaddr *addresses, size_t n) {
        size_t length_at, peer_at, done;

        put_header(b, FLAGS_ANSWER, 0, 1, 1);
        put_service(b, service);
        buffer_put_u16(b, TYPE_PTR);
        buffer_put_u16(b, CLASS_IN);
        buffer_put_u32(b, MDNS_TTL_S);
        length_at = b->len;
        buffer_put_u16(b, 0);
        peer_at = b->len;
        put_label(b, peer_name);
        put_pointer(b, HEADER_SIZE);
        fill_length(b, length_at);

        put_pointer(b, peer_at);
        buffer_put_u16(b, TYPE_TXT);
        buffer_put_u16(b, CLASS_IN);
        buffer_put_u32(b, MDNS_TTL_S);
        length_at = b->len;
        buffer_put_u16(b, 0);
        done = put_strings(b, addresses, n);
        fill_length(b, length_at);
        return done;
}
