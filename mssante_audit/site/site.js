// What is typed on the first page is searched in the explorer.
const form = document.getElementById("recherche");
if (form) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.href = `explorer.html#q=${encodeURIComponent(form.querySelector("input").value)}`;
  });
}
