// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

extension SocketOption where Value == Int {
    static func integer(_ number: Int32, _ name: StaticString) -> Self {
        Self(
            number: number,
            name: name,
            size: 4,
            encode: { Int32(exactly: $0).map(RawOptionValue.int32) },
            decode: { decodeInteger($0) }
        )
    }

    static func longInteger(_ number: Int32, _ name: StaticString) -> Self {
        Self(number: number, name: name, size: 8, encode: { .int64(Int64($0)) }, decode: { decodeInteger($0) })
    }
}

extension SocketOption where Value == Bool {
    static func flag(_ number: Int32, _ name: StaticString) -> Self {
        Self(
            number: number,
            name: name,
            size: 4,
            encode: { .int32($0 ? 1 : 0) },
            decode: { decodeInteger($0).map { $0 != 0 } }
        )
    }
}

extension SocketOption where Value == Bool? {
    /// -1 means that the operating system decides.
    static func optionalFlag(_ number: Int32, _ name: StaticString) -> Self {
        Self(
            number: number,
            name: name,
            size: 4,
            encode: { .int32($0.map { $0 ? 1 : 0 } ?? -1) },
            decode: { decodeInteger($0).map { $0 < 0 ? nil : $0 != 0 } }
        )
    }
}

extension SocketOption where Value == Duration {
    /// Whole units, rounded up so that a short time does not become none.
    static func duration(_ number: Int32, _ name: StaticString, unit: Duration = .milliseconds(1)) -> Self {
        Self(
            number: number,
            name: name,
            size: 4,
            encode: { $0 < .zero ? nil : wholeUnits(of: $0, unit: unit).map(RawOptionValue.int32) },
            decode: { decodeInteger($0).map { unit * $0 } }
        )
    }
}

extension SocketOption where Value == Duration? {
    /// nil is -1, which means never or for ever, depending on the option.
    static func optionalDuration(_ number: Int32, _ name: StaticString, unit: Duration = .milliseconds(1)) -> Self {
        Self(
            number: number,
            name: name,
            size: 4,
            encode: { duration in
                guard let duration else { return .int32(-1) }
                return duration < .zero ? nil : wholeUnits(of: duration, unit: unit).map(RawOptionValue.int32)
            },
            decode: { decodeInteger($0).map { $0 < 0 ? nil : unit * $0 } }
        )
    }
}

extension SocketOption where Value == [UInt8] {
    static func bytes(_ number: Int32, _ name: StaticString) -> Self {
        Self(number: number, name: name, size: 255, encode: { .bytes($0) }, decode: { $0 })
    }
}

extension SocketOption where Value == String {
    static func string(_ number: Int32, _ name: StaticString) -> Self {
        Self(
            number: number,
            name: name,
            size: 256,
            encode: { .bytes(Array($0.utf8)) },
            decode: { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        )
    }
}

extension SocketOption where Value == CurveKey {
    static func key(_ number: Int32, _ name: StaticString) -> Self {
        Self(number: number, name: name, size: 32, encode: { .bytes($0.bytes) }, decode: { CurveKey(bytes: $0) })
    }
}

private func decodeInteger(_ bytes: [UInt8]) -> Int? {
    bytes.withUnsafeBytes { bytes in
        switch bytes.count {
        case 4: Int(bytes.loadUnaligned(as: Int32.self))
        case 8: Int(bytes.loadUnaligned(as: Int64.self))
        default: nil
        }
    }
}

private func wholeUnits(of duration: Duration, unit: Duration) -> Int32? {
    let units = (duration / unit).rounded(.up)
    return units <= Double(Int32.max) ? Int32(units) : nil
}
