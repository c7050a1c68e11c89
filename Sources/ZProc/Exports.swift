// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// One import is enough: values, errors about closures, state and endpoints come with it.
@_exported import MessagePack
@_exported import PortableClosures
@_exported import ZProcCore
