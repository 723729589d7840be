#include "services/ctl/topic_names.h"

#include <ctype.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/text.h"
#include "common/daemon/network.h"
#include "services/ctl/input_file.h"

#define NOW 1 /* its place among the hours */

/* Whoever types it has shown it to every user of the machine. */
static bool looks_like_a_secret(const char *text) {
        size_t n = 0;

        while (isxdigit((unsigned char) text[n]))
                n++;
        return n >= 2 * NETWORK_SECRET_MIN && text[n] == 0 && access(text, F_OK) < 0;
}

static int read_secret(const struct command_context *ctx, const char *verb, const char *path,
                       uint8_t ret[MEETING_SECRET_SIZE]) {
        const struct network_settings settings = { .name = (char *) "public",
                                                   .secret_file = (char *) path };
        CLEANUP(buffer_donep) struct buffer text = {};
        char error[NETWORK_ERROR_SIZE];
        struct network n;
        int code;

        if (looks_like_a_secret(path))
                return complain(ctx, EXIT_USAGE,
                                "%s: --topic-secret: give a FILE that holds it, or - for standard "
                                "input; a secret on the command line is shown to every user by ps: "
                                "take it as known, and make another",
                                verb);
        buffer_init(&text, NETWORK_SECRET_FILE_LIMIT);
        code = input_file_read(ctx, verb, path, &text);
        if (code)
                return code;
        if (network_of(&settings, buffer_bytes(&text), &n, error) != NETWORK_OK)
                code = complain(ctx, EXIT_USAGE, "%s: --topic-secret%s", verb,
                                strstr(error, ": ") ? strstr(error, ": ") : error);
        memcpy(ret, n.secret, MEETING_SECRET_SIZE);
        network_wipe(&n);
        explicit_bzero(text.data, text.len);
        return code;
}

bool topic_is_name(const char *topic) {
        for (const char *c = topic; *c; c++)
                if ((unsigned char) *c < 0x20 || *c == 0x7f)
                        return false;
        return *topic && strlen(topic) <= TOPIC_NAME_MAX && utf8_is_valid(BYTES_STR(topic));
}

int topic_names_of(const struct command_context *ctx, const char *verb, const char *topic,
                   const char *secret_file, struct topic_names *ret) {
        uint8_t secret[MEETING_SECRET_SIZE];
        int64_t hour = (int64_t) time(NULL) / 3600;
        int code;

        *ret = (struct topic_names){ .n = 1 };
        if (topic && !topic_is_name(topic))
                return complain(
                        ctx, EXIT_USAGE,
                        "%s: give a topic of 1 to %d bytes of UTF-8 without control characters",
                        verb, TOPIC_NAME_MAX);
        if (!secret_file) {
                (void) snprintf(ret->list[0], sizeof(ret->list[0]), "%s", topic);
                return EXIT_OK;
        }
        code = read_secret(ctx, verb, secret_file, secret);
        for (ret->n = 0; code == EXIT_OK && ret->n < MEETING_HOURS; ret->n++)
                (void) meeting_name(secret, BYTES_STR(topic ? topic : ""),
                                    hour + (int64_t) ret->n - NOW, ret->list[ret->n]);
        explicit_bzero(secret, sizeof(secret));
        return code;
}
