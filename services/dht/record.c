#include "services/dht/record.h"

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/dht/rules.h"

/* U+0080 to U+009F as well: U+009B begins a terminal's command. */
static bool is_control(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static bool label_is_good(struct bytes label) {
        size_t at = 0, n = 1;
        uint32_t c;

        for (; at < label.len && n > 0; at += n) {
                n = utf8_next(BYTES(label.data + at, label.len - at), &c);
                if (n == 0 || is_control(c))
                        return false;
        }
        return label.len > 0 && label.len <= RECORD_LABEL_MAX;
}

/* Up to the next '/', which is consumed; false: there is none. */
static bool take_part(struct bytes *rest, struct bytes *ret) {
        const uint8_t *slash = rest->len ? memchr(rest->data, '/', rest->len) : NULL;
        size_t n;

        if (!slash)
                return false;
        n = (size_t) (slash - rest->data);
        *ret = BYTES(rest->data, n);
        *rest = BYTES(slash + 1, rest->len - n - 1);
        return true;
}

/* Only as peer_id_text() writes it: one key for one peer. */
static bool peer_from(struct bytes text, struct peer_id *ret) {
        char again[PEER_ID_TEXT_SIZE];

        return text.len < PEER_ID_TEXT_SIZE && peer_id_from_text(text, ret) &&
               bytes_equal(text, BYTES_STR(peer_id_text(ret, again)));
}

static const struct record_rule *rule_by_namespace(struct bytes ns) {
        const struct record_rule *rule;

        for (size_t i = 0; (rule = record_rule_at(i)); i++)
                if (rule->ns && bytes_equal(ns, BYTES_STR(rule->ns)))
                        return rule;
        return NULL;
}

static bool read_rest(struct bytes rest, struct record_name *ret) {
        struct bytes peer;

        switch (ret->rule->form) {
        case NAME_PEER:
                return peer_from(rest, &ret->peer);
        case NAME_PEER_LABEL:
                ret->label = rest;
                return take_part(&ret->label, &peer) && peer_from(peer, &ret->peer) &&
                       label_is_good(ret->label);
        case NAME_LABEL:
                ret->label = rest;
                return label_is_good(rest);
        case NAME_MULTIHASH:
                return peer_id_parse(rest, &ret->peer);
        }
        return false;
}

bool record_name_read(struct bytes name, struct record_name *ret) {
        struct bytes nothing, ns;

        *ret = (struct record_name){};
        if (name.len > RECORD_NAME_MAX || !take_part(&name, &nothing) || nothing.len > 0 ||
            !take_part(&name, &ns))
                return false;
        ret->rule = rule_by_namespace(ns);
        return ret->rule && read_rest(name, ret);
}

bool record_name_put(struct buffer *b, enum record_kind kind, const struct peer_id *peer,
                     struct bytes label) {
        const struct record_rule *rule = record_rule_of(kind);
        bool has_label = rule && (rule->form == NAME_LABEL || rule->form == NAME_PEER_LABEL);
        bool has_peer = rule && rule->form != NAME_LABEL;
        char text[PEER_ID_TEXT_SIZE];

        if (!rule || !rule->ns || (has_label ? !label_is_good(label) : label.len > 0) ||
            (has_peer && (!peer || peer_id_is_none(peer))))
                return false;
        buffer_put_u8(b, '/');
        buffer_put_bytes(b, BYTES_STR(rule->ns));
        buffer_put_u8(b, '/');
        if (rule->form == NAME_MULTIHASH)
                buffer_put_bytes(b, peer_id_bytes(peer));
        else if (has_peer)
                buffer_put_bytes(b, BYTES_STR(peer_id_text(peer, text)));
        if (rule->form == NAME_PEER_LABEL)
                buffer_put_u8(b, '/');
        buffer_put_bytes(b, label);
        return !b->failed;
}

const char *record_kind_text(enum record_kind kind) {
        static const char *const texts[] = {
                [RECORD_ENDPOINT] = "endpoint",     [RECORD_PROFILE] = "profile",
                [RECORD_TOPIC] = "topic",           [RECORD_NAME] = "name",
                [RECORD_TOMBSTONE] = "tombstone",   [RECORD_MAILBOX] = "mailbox",
                [RECORD_PUBLIC_KEY] = "pk",         [RECORD_ROTATION] = "rotation",
                [RECORD_REVOCATION] = "revocation",
        };

        return (size_t) kind < ELEMENTSOF(texts) && texts[kind] ? texts[kind] : "";
}
