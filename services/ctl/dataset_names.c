/* What a person calls a dataset, and which root that is. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/record.h"
#include "services/ctl/dataset.h"
#include "services/ctl/people.h"
#include "services/ctl/record_view.h"

#define LABEL_MAX 128

/* LABEL@PEER, cut at the last @: labels may have one. */
static bool split(const char *text, char label[LABEL_MAX + 1], const char **ret_peer) {
        const char *at = strrchr(text, '@');
        size_t n = at ? (size_t) (at - text) : 0;
        struct peer_id peer;

        if (n == 0 || n > LABEL_MAX)
                return false;
        memcpy(label, text, n);
        label[n] = 0;
        *ret_peer = at + 1;
        return strcmp(at + 1, "me") == 0 || peer_id_from_text(BYTES_STR(at + 1), &peer);
}

static bool is_root(const char *text, uint8_t ret[HASH_SIZE]) {
        return strlen(text) == 2 * HASH_SIZE && hex_decode(text, ret, HASH_SIZE);
}

bool dataset_is_reference(const char *text) {
        char label[LABEL_MAX + 1];
        uint8_t root[HASH_SIZE];
        const char *peer;

        return is_root(text, root) || split(text, label, &peer);
}

static int resolve_here(const struct command_context *ctx, const char *label,
                        uint8_t ret[HASH_SIZE]) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__DatasetRef ref = COORDINATOR__DATASET_REF__INIT;
        const Coordinator__DatasetShowReply *reply;
        int code;

        ref.name = (char *) label;
        code = ctl_call(ctx, &dataset_admin, "DatasetShow", &ref, &u);
        if (code)
                return code;
        reply = u.message;
        if (!reply->info || reply->info->root.len != HASH_SIZE)
                return complain(ctx, EXIT_OTHER, "the node's answer names no dataset");
        memcpy(ret, reply->info->root.data, HASH_SIZE);
        return EXIT_OK;
}

/* NAME@PEER with our own id: what it is called here, though no other peer has kept the record. */
static bool is_own(const struct command_context *ctx, const char *peer) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        char own[PEER_ID_TEXT_SIZE], why[256];

        return ctl_try(ctx, &dataset_admin, "Status", &empty, &u, why) == 0 &&
               strcmp(people_peer(((const Coordinator__AdminStatus *) u.message)->peer, own),
                      peer) == 0;
}

static bool is_known_here(const struct command_context *ctx, const char *label,
                          uint8_t ret[HASH_SIZE]) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__DatasetRef ref = COORDINATOR__DATASET_REF__INIT;
        const Coordinator__DatasetShowReply *reply;
        char why[256];

        ref.name = (char *) label;
        if (ctl_try(ctx, &dataset_admin, "DatasetShow", &ref, &u, why))
                return false;
        reply = u.message;
        if (!reply->info || reply->info->root.len != HASH_SIZE)
                return false;
        memcpy(ret, reply->info->root.data, HASH_SIZE);
        return true;
}

static void record_name(const char *label, const char *peer, char ret[512]) {
        (void) snprintf(ret, 512, "/name/%s/%s", peer, label);
}

/* What `peer` has signed last, as dht has checked it. */
static int resolve_pointer(const struct command_context *ctx, const char *text, const char *label,
                           const char *peer, nsec_t timeout, uint8_t ret[HASH_SIZE]) {
        struct call_target t = discovery_within(&discovery_records, timeout);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(buffer_donep) struct buffer name = {};
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        const Dht__GetReply *reply;
        char path[512];
        int code;

        record_name(label, peer, path);
        buffer_init(&name, 512);
        if (!record_view_name(path, &name))
                return complain(ctx, EXIT_USAGE, "%s: give NAME@PEER with a peer id, or NAME@me",
                                text);
        request.name = people_data(buffer_bytes(&name));
        request.timeout_ms = discovery_ms(timeout);
        code = ctl_call(ctx, &t, "Get", &request, &u);
        if (code)
                return code;
        reply = u.message;
        if (reply->n_records == 0 || reply->records[0]->payload.len != HASH_SIZE)
                return complain(
                        ctx, EXIT_OTHER,
                        "%s: none of %u peers asked knows that name; its publisher may have "
                        "withdrawn it, or not said it yet",
                        text, reply->asked);
        memcpy(ret, reply->records[0]->payload.data, HASH_SIZE);
        return EXIT_OK;
}

int dataset_complain_peer(const struct command_context *ctx, const char *what, const char *text) {
        return complain(
                ctx, EXIT_USAGE,
                "%s: %s: `%s` is no peer id; say NAME@PEER with an id as `quorate peers -v` "
                "shows it, or NAME@me for a dataset of this node",
                what, text, strrchr(text, '@') + 1);
}

int dataset_resolve(const struct command_context *ctx, const char *what, const char *text,
                    nsec_t timeout, uint8_t ret[HASH_SIZE]) {
        char label[LABEL_MAX + 1];
        const char *peer;

        if (is_root(text, ret))
                return EXIT_OK;
        if (!*text || strlen(text) > 2 * LABEL_MAX)
                return complain(ctx, EXIT_USAGE,
                                "%s: give a root of 64 hex digits, a name, or NAME@PEER", what);
        if (!split(text, label, &peer)) /* names here have no @ */
                return strchr(text, '@') ? dataset_complain_peer(ctx, what, text)
                                         : resolve_here(ctx, text, ret);
        if (strcmp(peer, "me") == 0)
                return resolve_here(ctx, label, ret);
        if (is_own(ctx, peer) && is_known_here(ctx, label, ret))
                return EXIT_OK;
        return resolve_pointer(ctx, text, label, peer, timeout, ret);
}

int dataset_resolve_here(const struct command_context *ctx, const char *what, const char *text,
                         uint8_t ret[HASH_SIZE]) {
        char label[LABEL_MAX + 1];
        const char *peer;

        if (is_root(text, ret) || !split(text, label, &peer) || strcmp(peer, "me") == 0)
                return dataset_resolve(ctx, what, text, 0, ret);
        if (is_own(ctx, peer))
                return resolve_here(ctx, label, ret);
        return complain(ctx, EXIT_USAGE,
                        "%s: give the root or the name here, as `quorate dataset list` "
                        "shows them; what a peer calls NAME may be another dataset by now",
                        what);
}

int dataset_check_label(const struct command_context *ctx, const char *what, const char *label) {
        uint8_t root[HASH_SIZE];

        if (!strchr(label, '@') && !is_root(label, root))
                return EXIT_OK;
        return complain(ctx, EXIT_USAGE,
                        "%s: a name has no @ and is not 64 hex digits: these stand for NAME@PEER "
                        "and for roots",
                        what);
}

int dataset_point(const struct command_context *ctx, const char *label, const uint8_t *root,
                  nsec_t timeout, uint32_t *ret_stored, char why[256]) {
        struct call_target t = discovery_within(&discovery_records, timeout);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Dht__PutRequest request = DHT__PUT_REQUEST__INIT;

        request.kind = (char *) "name";
        request.label = (char *) label;
        request.payload = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) root };
        if (ctl_try(ctx, &t, "Put", &request, &u, why))
                return -1;
        *ret_stored = ((const Dht__PutReply *) u.message)->stored;
        return 0;
}

/* 1, 0, or -1 with `why`. */
static int points_to(const struct command_context *ctx, ProtobufCBinaryData name,
                     const uint8_t *root, char why[256]) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        const Dht__GetReply *reply;

        request.name = name;
        request.timeout_ms = 3000;
        if (ctl_try(ctx, &discovery_records, "Get", &request, &u, why))
                return -1;
        reply = u.message;
        return reply->n_records > 0 && reply->records[0]->payload.len == HASH_SIZE &&
               memcmp(reply->records[0]->payload.data, root, HASH_SIZE) == 0;
}

/* 0, or -1 with `why`. */
static int unpoint(const struct command_context *ctx, const char *label, const uint8_t *root,
                   char why[256]) {
        CLEANUP(unpacked_donep) struct unpacked status = {}, u = {};
        CLEANUP(buffer_donep) struct buffer name = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        char peer[PEER_ID_TEXT_SIZE], path[512];
        int r;

        if (ctl_try(ctx, &dataset_admin, "Status", &empty, &status, why))
                return -1;
        record_name(label,
                    people_peer(((const Coordinator__AdminStatus *) status.message)->peer, peer),
                    path);
        buffer_init(&name, 512);
        if (!record_view_name(path, &name)) {
                (void) snprintf(why, 256, "the node does not say who it is");
                return -1;
        }
        request.name = people_data(buffer_bytes(&name));
        r = points_to(ctx, request.name, root, why);
        if (r <= 0)
                return r;
        return ctl_try(ctx, &discovery_records, "Unput", &request, &u, why) ? -1 : 0;
}

int dataset_unpoint(const struct command_context *ctx, const char *label, const uint8_t *root) {
        char why[256], shown[300];

        if (unpoint(ctx, label, root, why) == 0)
                return EXIT_OK;
        return complain(ctx, EXIT_OTHER,
                        "others may still find its name %s: %s; `quorate record list` shows it, "
                        "`quorate record rm` takes it back",
                        text_escape(BYTES_STR(label), shown, sizeof(shown)), why);
}
