/// A page that asks once more before an act.
struct ConsoleQuestion: Sendable {
  let title: String
  let text: String
  /// What is sent when the answer is yes.
  let action: String
  let button: String
  var isDanger = false
  /// Where no leads to.
  let back: String
  var fields: [(String, String)] = []

  var answer: ConsoleAnswer {
    .page(
      ConsolePage(
        "confirm", title: title,
        [
          "heading": title, "lead": text, "target": action, "button": button,
          "isDangerous": isDanger, "back": back,
          "fields": fields.map { ["fieldName": $0.0, "fieldValue": $0.1] as PageValues },
        ]))
  }
}
