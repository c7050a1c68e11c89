// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

