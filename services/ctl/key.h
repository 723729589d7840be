#pragma once

/* The verbs of `quorate key`. */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "services/ctl/command.h"

#define KEY_DIFFICULTY 16 /* bits, of the public network */
#define KEY_PATH_SIZE  (PATH_MAX + 32)

struct key_options {
        const char *passphrase;
        uint64_t difficulty;
        bool libp2p, yes;
};

/* The second operand, else where this node's keyring looks. EXIT_OK, or after complaining. */
int key_seed_path(const struct command_context *ctx, char ret[KEY_PATH_SIZE]);

int key_rotate(const struct command_context *ctx);
int key_revoke(const struct command_context *ctx);
