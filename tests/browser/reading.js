// What is wrong with the words of the page: a text whose language or direction is not that of the element that says so,
// or a number in the other language's digits.
() => {
  const wrong = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data, element = walker.currentNode.parentElement;
    if (element.closest('style, script')) continue;
    const language = element.closest('[lang]')?.lang, direction = getComputedStyle(element).direction;
    const persian = /[\u0621-\u064a\u067e\u0686\u0698\u06a9\u06af\u06cc]/.test(text), latin = /[A-Za-z]{2}/.test(text);
    const problems = [
      persian && (language !== 'fa' || direction !== 'rtl') && 'Persian letters outside of Persian',
      latin && (!['en', 'zxx'].includes(language) || direction !== 'ltr') && 'Latin letters outside of English',
      language === 'fa' && /[0-9]/.test(text) && 'Latin digits in Persian',
      language === 'en' && /[\u06f0-\u06f9]/.test(text) && 'Persian digits in English',
    ].filter(Boolean);
    for (const problem of problems) wrong.push(`${problem}: ${text.trim().slice(0, 80)}`);
  }
  return [...new Set(wrong)].slice(0, 10);
}
