#pragma once

/* The shape of a statement: its words without constants, comments, blanks and upper case, so
 * that questions that differ in a number or a name they look for are alike. Only estimates rest
 * on it: what two engines read otherwise is no harm here. Pure. */

#include "common/base/bytes.h"
#include "common/crypto/hash.h"

struct hash_value statement_shape(struct bytes sql);
