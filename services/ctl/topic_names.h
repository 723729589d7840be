#pragma once

/* Under which names a topic stands in the DHT: its own, or, with a secret that some share, names
 * that turn with the hour and tell others nothing (common/canonical/meeting.h). */

#include "common/canonical/meeting.h"
#include "services/ctl/command.h"

#define TOPIC_NAME_MAX 128 /* bytes */

struct topic_names {
        size_t n;
        char list[MEETING_HOURS][TOPIC_NAME_MAX + 1];
};

/* 1 to TOPIC_NAME_MAX bytes of UTF-8 without control characters. */
bool topic_is_name(const char *topic);

/* secret_file: as [network] secret-file, "-" standard input, NULL none. topic may be NULL with a
 * secret: the meeting points of the network that has it. With a secret the hours before, now and
 * after, in this order. EXIT_OK, or an exit code after complaining for `verb`. */
int topic_names_of(const struct command_context *ctx, const char *verb, const char *topic,
                   const char *secret_file, struct topic_names *ret);
