// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import PortableClosures
import Testing

final class Stays: Sendable {
    let value = 1
}

struct Wrapper: Sendable {
    let stays = Stays()
    let number = 1
}

struct OnlyCaptured: Codable, Sendable {
    let value: Int
}

actor Plain {
    var value = 1
}

@inline(never) private func opaque<T>(_ value: T) -> T { value }

@Suite struct RefusalTests {
    /// What encoding `function` throws.
    private func refusal<Result>(_ function: PortableFunction<Result>) throws -> PortableClosureError {
        try #require(throws: PortableClosureError.self) { _ = try MessagePackEncoder().encode(function) }
    }

    @Test func aClassAloneIsRefusedAtItsLine() throws {
        let stays = opaque(Stays())
        let error = try refusal(PortableFunction { stays.value })
        #expect(error.code == .captureNotCodable)
        #expect(error.location == SourceLocation(line: #line - 2))
        #expect(error.description.hasPrefix("PortableClosuresTests/RefusalTests.swift:\(#line - 3): captures"))
        #expect(error.message.contains("PortableClosuresTests.Stays"))
    }

    @Test func aClassAmongOthersIsRefused() throws {
        let stays = opaque(Stays()), number = opaque(1)
        let error = try refusal(PortableFunction { stays.value + number })
        #expect(error.code == .captureNotCodable)
        #expect(error.message.contains("PortableClosuresTests.Stays"))
        #expect(error.message.contains("make it Codable"))
    }

    @Test func aStructThatIsNotCodableIsRefused() throws {
        let wrapper = opaque(Wrapper())
        #expect(try refusal(PortableFunction { wrapper.number + wrapper.stays.value }).code == .captureNotCodable)
    }

    @Test func aPlainActorIsRefused() throws {
        let actor = opaque(Plain()), number = opaque(1)
        let error = try refusal(PortableFunction { await actor.value + number })
        #expect(error.message.contains("Plain"))
        #expect(try refusal(PortableFunction { await actor.value }).message.contains("Plain"))
    }

    @Test func aWeakReferenceIsRefused() throws {
        let stays = opaque(Stays()), number = opaque(1)
        let function = PortableFunction { [weak stays] in (stays?.value ?? 0) + number }
        let error = try refusal(function)
        #expect(error.message.contains("weak"))
        withExtendedLifetime(stays) {}
    }

    @Test func anExistentialIsRefused() throws {
        let error: any Error = opaque(CancellationError()), number = opaque(1)
        #expect(try refusal(PortableFunction { "\(error)\(number)" }).code == .captureNotCodable)
    }

    @Test func aCaptureInsideACapturedClosureIsRefused() throws {
        let stays = opaque(Stays()), number = opaque(1)
        let inner: @Sendable () -> Int = { stays.value + number }
        #expect(try refusal(PortableFunction { inner() + number }).message.contains("Stays"))
    }

    @inline(never) @_optimize(none)
    private func generic<T: Codable & Sendable & CustomStringConvertible>(_ value: T) -> PortableFunction<String> {
        PortableFunction { "\(value.description)\(T.self)" }
    }

    @Test func genericParametersOfUnspecialisedCodeAreRefused() throws {
        let error = try refusal(generic(opaque(1)))
        #expect(error.code == .genericCapture || error.code == .captureNotCodable)
        #expect(error.message.contains("generic"))
    }

    /// The optimiser drops the metadata of such a type, and with it the only way to encode it.
    @Test func aTypeThatIsOnlyCapturedWorksOrSaysWhatToDo() throws {
        let only = opaque(OnlyCaptured(value: 1)), number = opaque(2)
        let function = PortableFunction { only.value + number }
        do {
            _ = try MessagePackEncoder().encode(function)
        } catch let error as PortableClosureError {
            #expect(error.code == .typeNotFound)
            #expect(error.message.contains("OnlyCaptured") && error.message.contains("declare it public"))
        }
    }

    @Test func errorsOfACapturedValuesOwnEncodingPassThrough() throws {
        struct Stubborn: Codable, Sendable {
            struct Refused: Error {}
            var value = 1
            func encode(to encoder: any Encoder) throws { throw Refused() }
        }
        let stubborn = opaque(Stubborn())
        #expect(throws: Stubborn.Refused.self) { _ = try MessagePackEncoder().encode(stubborn) }
        #expect(throws: Stubborn.Refused.self) {
            _ = try MessagePackEncoder().encode(PortableFunction { stubborn.value })
        }
    }
}

@Suite struct HostileClosureTests {
    private static let honest = try? MessagePackEncoder().encode(
        HostileClosureTests.function(opaque([1, 2]), opaque("x"))
    )

    private static func function(_ numbers: [Int], _ text: String) -> PortableFunction<Int> {
        PortableFunction { numbers.count + text.count }
    }

    @Test func truncatedClosuresAreErrors() throws {
        let bytes = try #require(Self.honest)
        for count in 0..<bytes.count {
            #expect(throws: (any Error).self) {
                _ = try MessagePackDecoder().decode(PortableFunction<Int>.self, from: Array(bytes.prefix(count)))
            }
        }
    }

    @Test func aFunctionOfAnotherTypeIsAnError() throws {
        let bytes = try #require(Self.honest)
        #expect(throws: PortableClosureError.self) {
            _ = try MessagePackDecoder().decode(PortableFunction<String>.self, from: bytes)
        }
    }

    @Test func codeOutsideTheProgramIsAnError() throws {
        var value = try Value(decoding: try #require(Self.honest))
        guard case .array(var parts) = value, case .array(var function) = parts[3] else {
            Issue.record("the wire form has changed: \(value)")
            return
        }
        for offset in [Int64.max, -1, 1 << 40] {
            function[0] = .int(offset)
            parts[3] = .array(function)
            value = .array(parts)
            let error = try #require(throws: PortableClosureError.self) {
                _ = try MessagePackDecoder().decode(PortableFunction<Int>.self, from: value.encoded())
            }
            #expect(error.code == .malformed)
        }
    }

    @Test func typesThatDoNotExistAreErrors() throws {
        for name in ["", "x", "$s4None5ThereV", "Si_SStG", String(repeating: "y", count: 100_000)] {
            let bytes = try MessagePackEncoder().encode(name)
            let error = try #require(throws: PortableClosureError.self) {
                _ = try MessagePackDecoder().decode(TypeReference.self, from: bytes).resolve()
            }
            #expect(error.code == .typeNotFound)
        }
    }

    @Test func typesAreFoundAgain() throws {
        struct Local {}
        for type: Any.Type in [
            Int.self, [String: Local].self, Local.self, Optional<[Local]>.self, Result<Int, any Error>.self,
        ] {
            let bytes = try MessagePackEncoder().encode(TypeReference(type))
            #expect(try MessagePackDecoder().decode(TypeReference.self, from: bytes).resolve() == type)
        }
    }

    @Test func capturesAreReleasedWithTheClosure() throws {
        let tracked = opaque(Tracked(id: 1)), number = opaque(2)
        let bytes = try MessagePackEncoder().encode(PortableFunction { tracked.id + number })
        #expect(Tracked.live == 1)
        try withExtendedLifetime(tracked) {
            var rebuilt: PortableFunction<Int>? = try MessagePackDecoder().decode(
                PortableFunction<Int>.self,
                from: bytes
            )
            #expect(rebuilt != nil && Tracked.live == 2)
            rebuilt = nil
            #expect(Tracked.live == 1)
            // A closure that breaks off after the first capture leaves nothing behind.
            #expect(throws: (any Error).self) {
                _ = try MessagePackDecoder().decode(PortableFunction<Int>.self, from: bytes.dropLast() + [0xa0])
            }
            #expect(Tracked.live == 1)
        }
    }
}
