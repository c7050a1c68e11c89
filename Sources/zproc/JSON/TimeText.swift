// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// Moments as text, `2026-01-31T12:00:00.5Z`: exact to the nanosecond, in UTC, from year 1 to 9999.
enum TimeText {
    private static let secondsADay: Int64 = 86_400
    /// From 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
    private static let range: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    /// Nil for a year beyond those.
    static func text(of time: MessagePackTimestamp) -> String? {
        guard range.contains(time.seconds) else { return nil }
        var (day, second) = time.seconds.quotientAndRemainder(dividingBy: secondsADay)
        if second < 0 { (day, second) = (day - 1, second + secondsADay) }
        let (year, month, dayOfMonth) = date(ofDay: day)
        var text = "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))"
        text += "T\(padded(second / 3_600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
        if time.nanoseconds > 0 {
            var digits = Substring(padded(Int64(time.nanoseconds), 9))
            while digits.last == "0" { digits.removeLast() }
            text += ".\(digits)"
        }
        return text + "Z"
    }

    /// Nil for what is no moment written like this.
    static func time(of text: String) -> MessagePackTimestamp? {
        let bytes = Array(text.utf8), shape = Array("0000-00-00T00:00:00".utf8)
        guard bytes.count >= 20, bytes.last == UInt8(ascii: "Z") else { return nil }
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        for (byte, pattern) in zip(bytes, shape) {
            guard pattern == UInt8(ascii: "0") ? isDigit(byte) : byte == pattern else { return nil }
        }
        func number(_ range: Range<Int>) -> Int64 { bytes[range].reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) } }
        var nanoseconds: UInt32 = 0
        if bytes.count > 20 {
            let digits = bytes[20..<(bytes.count - 1)]
            guard bytes[19] == UInt8(ascii: "."), (1...9).contains(digits.count), digits.allSatisfy(isDigit) else {
                return nil
            }
            for place in 0..<9 {
                let digit = place < digits.count ? digits[20 + place] - UInt8(ascii: "0") : 0
                nanoseconds = nanoseconds * 10 + UInt32(digit)
            }
        }
        let (year, month, dayOfMonth) = (number(0..<4), number(5..<7), number(8..<10))
        let (hour, minute, second) = (number(11..<13), number(14..<16), number(17..<19))
        guard year > 0, (1...12).contains(month), hour < 24, minute < 60, second < 60 else { return nil }
        let day = self.day(year, month, dayOfMonth)
        guard date(ofDay: day) == (year, month, dayOfMonth) else { return nil }
        let seconds = day * secondsADay + hour * 3_600 + minute * 60 + second
        return MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    // Days since 1970 and the Gregorian calendar: eras of 400 years that begin in March, so that the day that is not in
    // every year is the last. See Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

    private static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let march = (5 * dayOfYear + 2) / 153
        let month = march < 10 ? march + 3 : march - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * march + 2) / 5 + 1)
    }

    private static func day(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400, yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
