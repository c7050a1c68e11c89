// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MessagePack
import Testing

@Suite(.tags(.wire))
struct TimestampTests {
    @Test(
        arguments: [
            (0, 0, [0xd6, 0xff, 0, 0, 0, 0]),
            (4_294_967_295, 0, [0xd6, 0xff, 0xff, 0xff, 0xff, 0xff]),
            (4_294_967_296, 0, [0xd7, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]),
            (0, 1, [0xd7, 0xff, 0, 0, 0, 4, 0, 0, 0, 0]),
            (17_179_869_183, 999_999_999, [0xd7, 0xff, 0xee, 0x6b, 0x27, 0xff, 0xff, 0xff, 0xff, 0xff]),
            (17_179_869_184, 0, [0xc7, 12, 0xff, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
            (-1, 500_000_000, [0xc7, 12, 0xff, 0x1d, 0xcd, 0x65, 0x00] + [UInt8](repeating: 0xff, count: 8)),
            (.min, 0, [0xc7, 12, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ] as [(Int64, UInt32, [UInt8])]
    )
    func smallestFormIsChosen(seconds: Int64, nanoseconds: UInt32, bytes: [UInt8]) throws {
        let time = MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds)
        #expect(Value.timestamp(time).encoded() == bytes)
        #expect(try MessagePackEncoder().encode(time) == bytes)
        #expect(try MessagePackDecoder().decode(MessagePackTimestamp.self, from: bytes) == time)
        #expect(try Value(decoding: bytes) == .timestamp(time))
    }

    @Test(arguments: [
        0, 1, -1, 0.5, -0.5, 1.0 / 3, 700_000_000.123_456_7, -978_307_200, -978_307_200.25, -978_307_199.999_999_9,
        3_316_660_095.75, 1e15, -1e15, 64_092_211_200, -63_114_076_800,
    ])
    func datesRoundTripToTheNanosecond(interval: Double) throws {
        let date = Date(timeIntervalSinceReferenceDate: interval)
        let back = try roundTrip(date)
        #expect(abs(back.timeIntervalSinceReferenceDate - interval) <= 0.5e-9)
        // Where a Double is coarser than a nanosecond, nothing is lost.
        if abs(interval) > 1e7 || interval == interval.rounded() { #expect(back == date) }
    }

    @Test func datesCountFrom1970() throws {
        #expect(try MessagePackEncoder().encode(Date(timeIntervalSince1970: 1)) == [0xd6, 0xff, 0, 0, 0, 1])
        #expect(
            MessagePackTimestamp(Date(timeIntervalSince1970: -0.5))
                == MessagePackTimestamp(seconds: -1, nanoseconds: 500_000_000)
        )
        #expect(MessagePackTimestamp(seconds: -1, nanoseconds: 500_000_000).date == Date(timeIntervalSince1970: -0.5))
    }

    @Test func nanosecondsRoundUpIntoTheNextSecond() throws {
        let date = Date(timeIntervalSinceReferenceDate: 1.0.nextDown)
        #expect(MessagePackTimestamp(date) == MessagePackTimestamp(seconds: 978_307_201))
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity, 1e300, -1e19])
    func datesWithoutATimestampAreRefused(interval: Double) throws {
        let date = Date(timeIntervalSinceReferenceDate: interval)
        #expect(MessagePackTimestamp(date) == nil)
        let error = try #require(throws: MessagePackError.self) { try MessagePackEncoder().encode([date]) }
        #expect(error.code == .unsupportedValue)
        #expect(error.codingPath == ["[0]"])
    }

    @Test func malformedTimestampsAreRefusedAsDatesAndKeptAsValues() throws {
        for payload in [[1], [1, 2, 3, 4, 5], [UInt8](repeating: 0xff, count: 8), [UInt8](repeating: 0xff, count: 12)]
            as [[UInt8]]
        {
            let bytes = Value.ext(type: -1, payload).encoded()
            #expect(try decodingError(Date.self, bytes).code == .invalidTimestamp)
            #expect(try Value(decoding: bytes) == .ext(type: -1, payload))
        }
        #expect(try decodingError(Date.self, Value.ext(type: 4, [0, 0, 0, 0]).encoded()).code == .typeMismatch)
        #expect(try decodingError(Date.self, [0xcb, 0, 0, 0, 0, 0, 0, 0, 0]).code == .typeMismatch)
    }

    @Test func timestampsAreOrderedAndDescribed() {
        let times = [
            MessagePackTimestamp(seconds: -1, nanoseconds: 5), .init(seconds: 0), .init(seconds: 0, nanoseconds: 1),
        ]
        #expect(times.sorted() == times)
        #expect(times[2].description == "0.000000001s")
    }
}
