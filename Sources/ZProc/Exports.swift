// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// What users see of the modules below: state, values, endpoints, and errors about closures.
@_exported import struct MessagePack.EncodedValue
@_exported import enum MessagePack.Value
@_exported import struct PortableClosures.PortableClosureError
@_exported import struct PortableClosures.PortableFunction
@_exported import struct PortableClosures.SourceLocation
@_exported import ZProcCore
