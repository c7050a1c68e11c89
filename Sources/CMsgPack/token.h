// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#ifndef CMSGPACK_TOKEN_H
#define CMSGPACK_TOKEN_H

#include "CMsgPack.h"

static inline cmsgpack_token token(uint8_t kind, uint8_t header, uint64_t number) {
    return (cmsgpack_token){.number = number, .kind = kind, .header = header};
}

static inline cmsgpack_token unsigned_token(uint8_t header, uint64_t number) {
    return token(number > INT64_MAX ? CMSGPACK_UINT : CMSGPACK_INT, header, number);
}

static inline cmsgpack_token ext_token(uint8_t header, uint8_t type, uint64_t length) {
    return (cmsgpack_token){.number = length, .kind = CMSGPACK_EXT, .header = header, .ext = (int8_t)type};
}

#endif
